import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { isIP } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { descriptorLimit } from '../shared/descriptor-limit.js'
import { bind, isLoopback, parseAddress } from '../shared/protocol/listen.js'

/** Answers what is not for Prometheus. @returns false when it does not know the path */
export type PageHandler = (pathname: string, request: IncomingMessage, response: ServerResponse) => boolean

export interface MetricsServer {
  /** `http://host:port/metrics` */
  readonly url: string
  /**
   * For the end of a run: settles when who scrapes regularly has seen how it ended, or does not come. At once where nobody does, or
   * where it would take much longer than a quarter of a minute.
   * @param signal ends the waiting
   * @param onWait told how long it may take at most, when it begins
   * @param maxMs it takes no longer than that
   */
  lastScrape(signal: AbortSignal, onWait: (seconds: number) => void, maxMs?: number): Promise<void>
  close(): void
}

const REQUEST_TIMEOUT_MS = 10_000
const MAX_CONNECTIONS = 2_000
/** Of the descriptors that this process may have: workers need theirs. */
const SHARE_OF_DESCRIPTORS = 1 / 4
const LOCAL = 'http://localhost'
/** Scrapes that lie nearer together are not by one that comes regularly. */
const MIN_INTERVAL_MS = 500
/** One that comes every 15 s is late now and then. */
const MAX_INTERVAL_MS = 20_000

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
  const { host } = parseAddress(address, flag)
  const scrapes = new Scrapes(render, now)
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    if (isLoopback(host) && !isOfThisMachine(request)) {
      const where = `http://127.0.0.1:${request.socket.localPort}`
      response.writeHead(403, { 'content-type': 'text/plain' }).end(`Only this machine may look, at ${where}.\n`)
      return
    }
    const pathname = pathOf(request)
    if (page?.(pathname, request, response) === true) return
    if (request.method !== 'GET' && request.method !== 'HEAD') response.writeHead(405, { allow: 'GET, HEAD' }).end()
    else if (pathname === '/livez') sendState(response, undefined)
    else if (pathname === '/readyz') sendState(response, notReady())
    else if (pathname === '/metrics') scrapes.answer(response)
    else response.writeHead(404, { 'content-type': 'text/plain' }).end('Not here; try /metrics.\n')
  }
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS }, answer)
  server.maxConnections = Math.min(MAX_CONNECTIONS, Math.floor(descriptorLimit() * SHARE_OF_DESCRIPTORS))
  const bound = await bind(server, address, flag)
  return {
    url: `http://${bound}/metrics`,
    lastScrape: async (signal, onWait, maxMs) => scrapes.last(signal, onWait, maxMs),
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** Answers scrapes, and knows how regularly they come. */
class Scrapes {
  readonly #render: () => Promise<{ text: string; contentType: string }>
  readonly #now: () => number
  /** Many who scrape at once get the same text: each costs the training some milliseconds. */
  #rendering: Promise<{ text: string; contentType: string }> | undefined
  #scrapedMs = -Infinity
  #intervalMs = Infinity
  #onScraped = (): void => undefined

  constructor(render: () => Promise<{ text: string; contentType: string }>, now: () => number) {
    this.#render = render
    this.#now = now
  }

  answer(response: ServerResponse): void {
    const sinceMs = this.#now() - this.#scrapedMs
    if (sinceMs > MIN_INTERVAL_MS) this.#intervalMs = sinceMs
    this.#scrapedMs = this.#now()
    response.on('finish', () => {
      this.#onScraped()
    })
    this.#rendering ??= this.#render().finally(() => {
      this.#rendering = undefined
    })
    this.#rendering.then(
      ({ text, contentType }) => response.writeHead(200, { 'content-type': contentType }).end(text),
      () => response.writeHead(500).end(),
    )
  }

  /** See {@link MetricsServer.lastScrape}. */
  async last(signal: AbortSignal, onWait: (seconds: number) => void, maxMs = Infinity): Promise<void> {
    // Who has missed one is gone.
    const patienceMs = Math.min(maxMs, 2 * this.#intervalMs - (this.#now() - this.#scrapedMs))
    if (this.#intervalMs > MAX_INTERVAL_MS || patienceMs <= 0 || signal.aborted) return
    onWait(patienceMs / 1000)
    const scraped = new Promise<void>((resolve) => {
      this.#onScraped = resolve
    })
    const waiting = new AbortController()
    await Promise.race([
      scraped,
      delay(patienceMs, undefined, { signal: AbortSignal.any([signal, waiting.signal]) }).catch(() => undefined),
    ])
    waiting.abort()
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

function sendState(response: ServerResponse, reason: string | undefined): void {
  response.writeHead(reason === undefined ? 200 : 503, { 'content-type': 'text/plain; charset=utf-8' })
  response.end(`${reason ?? 'ok'}\n`)
}
