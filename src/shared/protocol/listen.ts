import * as grpc from '@grpc/grpc-js'
import { ConvoyError } from '../errors.js'

/** A server that listens. */
export interface Listener {
  /** `host:port`, with the port that the system chose when 0 was asked for. */
  readonly address: string
  /** Breaks every connection and stops listening. */
  close(): void
}

/** `host:port`, IPv6 hosts in brackets. @throws ConvoyError('usage') */
export function parseAddress(address: string, flag: string): { host: string; port: number } {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:\s]+):(\d{1,5})$/.exec(address)
  const port = Number(match?.[2])
  if (match === null || port > 65_535) {
    throw new ConvoyError('usage', `${flag}: "${address}" is not host:port, such as 127.0.0.1:7700.`)
  }
  return { host: match[1]!, port }
}

/** True for addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)
}

/**
 * Binds and serves.
 * @throws ConvoyError('usage') when the address cannot be bound, with the flag that chose it
 */
export async function listen(server: grpc.Server, address: string, flag: string): Promise<Listener> {
  const { host } = parseAddress(address, flag)
  // grpc-js would write to standard error, too, that it cannot bind; whoever debugs it sets its variable.
  if (process.env['GRPC_VERBOSITY'] === undefined) grpc.setLogVerbosity(grpc.logVerbosity.NONE)
  // TLS is not there yet, so plaintext stays on this machine.
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(cannotListen(address, flag, error))
      else resolve(bound)
    })
  })
  return {
    address: `${host}:${port}`,
    close: () => {
      server.forceShutdown()
    },
  }
}

function cannotListen(address: string, flag: string, cause: Error): ConvoyError {
  const reason = cause.message.includes('EADDRINUSE') ? 'the port is in use' : cause.message
  return new ConvoyError(
    'usage',
    `Cannot listen on ${address}: ${reason}. Choose another with ${flag} (port 0 takes any free one).`,
    {
      cause,
    },
  )
}
