import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { isIP } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { descriptorLimit } from '../shared/descriptor-limit.js'
import { isLoopback, parseAddress } from '../shared/protocol/addresses.js'
import { bind } from '../shared/protocol/listen.js'

/** Answers requests for the page. @returns false for paths that do not belong to the page */
export type PageHandler = (pathname: string, request: IncomingMessage, response: ServerResponse) => boolean

export interface MetricsServer {
  /** `http://host:port/metrics` */
  readonly url: string
  /**
   * For the end of a run: settles when a regular scraper has read the final state, or is overdue. Settles at once without a regular
   * scraper, or if its interval is above 20 s.
   * @param signal ends the waiting
   * @param onWait called with the longest possible wait when the waiting begins
   * @param maxMs longest wait
   */
  lastScrape(signal: AbortSignal, onWait: (seconds: number) => void, maxMs?: number): Promise<void>
  close(): void
}

const REQUEST_TIMEOUT_MS = 10_000
const MAX_CONNECTIONS = 2_000
/** Share of this process's descriptors for scrapers and viewers. Workers need the others. */
const SHARE_OF_DESCRIPTORS = 1 / 4
const LOCAL = 'http://localhost'
/** Scrapes that are closer together come from different scrapers. */
const MIN_INTERVAL_MS = 500
/** A scraper with an interval of 15 s is sometimes late. */
const MAX_INTERVAL_MS = 20_000

/**
 * Serves `/metrics` for Prometheus, and for probes `/livez` (the process answers) and `/readyz` (503 with the reason while it is not
 * ready).
 * @param render gives the reply of `/metrics`
 * @param address `host:port`; port 0 takes any free one
 * @param notReady gives the reason for not being ready; undefined when ready
 * @param page answers requests for the page
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
      response.writeHead(403, { 'content-type': 'text/plain' }).end(`Only this machine has access, at ${where}.\n`)
      return
    }
    const pathname = pathOf(request)
    if (page?.(pathname, request, response) === true) return
    if (request.method !== 'GET' && request.method !== 'HEAD') response.writeHead(405, { allow: 'GET, HEAD' }).end()
    else if (pathname === '/livez') sendState(response, undefined)
    else if (pathname === '/readyz') sendState(response, notReady())
    else if (pathname === '/metrics') scrapes.answer(response)
    else response.writeHead(404, { 'content-type': 'text/plain' }).end('Not found; try /metrics.\n')
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

/** Answers scrapes and measures their interval. */
class Scrapes {
  readonly #render: () => Promise<{ text: string; contentType: string }>
  readonly #now: () => number
  /** Simultaneous scrapes get the same text: rendering takes some milliseconds from the training. */
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
    // A scraper that missed a whole interval will not come again.
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

/** The path of a request. A text that is no URL, such as `//`, is returned unchanged. */
function pathOf({ url = '/' }: IncomingMessage): string {
  return URL.canParse(url, LOCAL) ? new URL(url, LOCAL).pathname : url
}

/**
 * Whether the Host header names this machine. A foreign page can make its own host name point to 127.0.0.1 (DNS rebinding) and then read
 * this server; but browsers send that name in the header.
 */
function isOfThisMachine({ headers: { host = 'localhost' } }: IncomingMessage): boolean {
  const name = host.replace(/:\d*$/, '').toLowerCase()
  return isLoopback(name) || isIP(name.replace(/^\[|\]$/g, '')) !== 0
}

function sendState(response: ServerResponse, reason: string | undefined): void {
  response.writeHead(reason === undefined ? 200 : 503, { 'content-type': 'text/plain; charset=utf-8' })
  response.end(`${reason ?? 'ok'}\n`)
}
