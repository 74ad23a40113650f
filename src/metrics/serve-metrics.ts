import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ConvoyError } from '../shared/errors.js'
import { parseAddress } from '../shared/protocol/listen.js'

/** Answers what is not for Prometheus. @returns false when it does not know the path */
export type PageHandler = (pathname: string, request: IncomingMessage, response: ServerResponse) => boolean

export interface MetricsServer {
  /** `http://host:port/metrics` */
  readonly url: string
  /**
   * For the end of a run: settles when who scrapes regularly has seen how it ended, or does not come. At once where nobody does, or
   * where it would take much longer than a quarter of a minute.
   */
  lastScrape(): Promise<void>
  close(): void
}

const REQUEST_TIMEOUT_MS = 10_000
const MOST_CONNECTIONS = 2_000
/** Scrapes that lie nearer together are not by one that comes regularly. */
const SHORTEST_INTERVAL_MS = 500
/** One that comes every 15 s is late now and then. */
const LONGEST_INTERVAL_MS = 20_000
/** Requests name a path; the host says nothing here. */
const ANY_HOST = 'http://localhost'

/**
 * Serves `/metrics` for Prometheus, and for probes `/livez` (the process answers) and `/readyz` (503 with the reason while it is not
 * ready).
 * @param render what `/metrics` answers
 * @param address `host:port`; port 0 takes any free one
 * @param notReady why it is not ready; undefined when it is
 * @param page what else there is to see
 * @param now monotonic milliseconds
 * @throws ConvoyError('usage') when the address cannot be bound
 */
export async function serveMetrics(
  render: () => Promise<{ text: string; contentType: string }>,
  address: string,
  flag: string,
  notReady: () => string | undefined,
  page?: PageHandler,
  now = (): number => performance.now(),
): Promise<MetricsServer> {
  const { host, port } = parseAddress(address, flag)
  let scrapedMs = -Infinity
  let intervalMs = Infinity
  let onScraped = (): void => undefined
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => {
      const target = request.url ?? '/'
      if (!URL.canParse(target, ANY_HOST)) {
        // Such as `//`: a peer's nonsense must not end the process.
        response.writeHead(400).end()
        return
      }
      const { pathname } = new URL(target, ANY_HOST)
      if (page?.(pathname, request, response) === true) return
      if (request.method !== 'GET' && request.method !== 'HEAD') response.writeHead(405, { allow: 'GET, HEAD' }).end()
      else if (pathname === '/livez') sayState(response, undefined)
      else if (pathname === '/readyz') sayState(response, notReady())
      else if (pathname === '/metrics') {
        const sinceMs = now() - scrapedMs
        if (sinceMs > SHORTEST_INTERVAL_MS) intervalMs = sinceMs
        scrapedMs = now()
        response.on('finish', () => {
          onScraped()
        })
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
    lastScrape: async () => {
      // Who has missed one is gone.
      const patienceMs = 2 * intervalMs - (now() - scrapedMs)
      if (intervalMs > LONGEST_INTERVAL_MS || patienceMs <= 0) return
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, patienceMs)
        onScraped = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    },
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

function sayState(response: ServerResponse, reason: string | undefined): void {
  response.writeHead(reason === undefined ? 200 : 503, { 'content-type': 'text/plain; charset=utf-8' })
  response.end(`${reason ?? 'ok'}\n`)
}
