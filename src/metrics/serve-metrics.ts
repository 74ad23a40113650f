import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isIP } from 'node:net'
import { ConvoyError } from '../shared/errors.js'
import { isLoopback, parseAddress } from '../shared/protocol/listen.js'

/** Answers what is not for Prometheus. @returns false when it does not know the path */
export type PageHandler = (pathname: string, request: IncomingMessage, response: ServerResponse) => boolean

export interface MetricsServer {
  /** `http://host:port/metrics` */
  readonly url: string
  close(): void
}

const REQUEST_TIMEOUT_MS = 10_000
const MOST_CONNECTIONS = 2_000
const LOCAL = 'http://localhost'

/**
 * Serves `/metrics` for Prometheus, and for probes `/livez` (the process answers) and `/readyz` (503 with the reason while it is not
 * ready).
 * @param render what `/metrics` answers
 * @param address `host:port`; port 0 takes any free one
 * @param notReady why it is not ready; undefined when it is
 * @param page what else there is to see
 * @throws ConvoyError('usage') when the address cannot be bound
 */
export async function serveMetrics(
  render: () => Promise<{ text: string; contentType: string }>,
  address: string,
  flag: string,
  notReady: () => string | undefined,
  page?: PageHandler,
): Promise<MetricsServer> {
  const { host, port } = parseAddress(address, flag)
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => {
      if (isLoopback(host) && !isOfThisMachine(request)) {
        const where = `http://127.0.0.1:${request.socket.localPort}`
        response.writeHead(403, { 'content-type': 'text/plain' }).end(`Only this machine may look, at ${where}.\n`)
        return
      }
      const pathname = pathOf(request)
      if (page?.(pathname, request, response) === true) return
      if (request.method !== 'GET' && request.method !== 'HEAD') response.writeHead(405, { allow: 'GET, HEAD' }).end()
      else if (pathname === '/livez') sayState(response, undefined)
      else if (pathname === '/readyz') sayState(response, notReady())
      else if (pathname === '/metrics') {
        render().then(
          ({ text, contentType }) => response.writeHead(200, { 'content-type': contentType }).end(text),
          () => response.writeHead(500).end(),
        )
      } else response.writeHead(404, { 'content-type': 'text/plain' }).end('Not here; try /metrics.\n')
    },
  )
  server.maxConnections = MOST_CONNECTIONS
  server.listen(port, host.replace(/^\[|\]$/g, ''))
  try {
    await once(server, 'listening')
  } catch (error) {
    const reason =
      (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? 'the port is in use' : (error as Error).message
    throw new ConvoyError(
      'usage',
      `Cannot listen on ${address}: ${reason}. Choose another with ${flag} (port 0 takes any free one).`,
      {
        cause: error,
      },
    )
  }
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}/metrics`,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** What a request asks for; what is no URL, such as `//`, is asked for literally. */
function pathOf({ url = '/' }: IncomingMessage): string {
  return URL.canParse(url, LOCAL) ? new URL(url, LOCAL).pathname : url
}

/**
 * Whether a browser here shows this server under its own address. A foreign page can let its name mean 127.0.0.1 from one moment to
 * the next (DNS rebinding), and would read what only this machine may; but browsers say the name.
 */
function isOfThisMachine({ headers: { host = 'localhost' } }: IncomingMessage): boolean {
  const name = host.replace(/:\d*$/, '').toLowerCase()
  return isLoopback(name) || isIP(name.replace(/^\[|\]$/g, '')) !== 0
}

function sayState(response: ServerResponse, reason: string | undefined): void {
  response.writeHead(reason === undefined ? 200 : 503, { 'content-type': 'text/plain; charset=utf-8' })
  response.end(`${reason ?? 'ok'}\n`)
}
