import { ConvoyError } from '../errors.js'

/** `host:port`, IPv6 hosts in brackets. @throws ConvoyError('usage') */
export function parseAddress(address: string, flag: string): { host: string; port: number } {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:\s]+):(\d{1,5})$/.exec(address)
  const port = Number(match?.[2])
  if (match === null || port > 65_535) {
    throw new ConvoyError('usage', `${flag}: "${address}" is not host:port, such as 127.0.0.1:7700.`)
  }
  return { host: match[1]!, port }
}

/** As {@link parseAddress}, for a server to connect to. @throws ConvoyError('usage') for port 0 too, which only means "any free port" to a server */
export function parsePeerAddress(address: string, flag: string): { host: string; port: number } {
  const parsed = parseAddress(address, flag)
  if (parsed.port > 0) return parsed
  throw new ConvoyError(
    'usage',
    `${flag} ${address}: nothing listens on port 0; give the port that the coordinator logs at its start.`,
  )
}

/** True for addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)
}
