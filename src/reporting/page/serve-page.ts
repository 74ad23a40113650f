import type { IncomingMessage, ServerResponse } from 'node:http'
import { EventHistory } from './event-history.js'
import { livePage, pageFiles } from './page-files.js'
import type { InspectionState, RunStatus, Snapshot, Update } from './page-state.js'

/** The run's data for the page. */
export interface PageSource {
  readonly snapshot: () => Snapshot
  /** Changes since the last call; undefined when a new snapshot is needed. */
  readonly takeUpdate: () => Update | undefined
  readonly status: () => RunStatus | undefined
  readonly looking: () => InspectionState
  /** An Inspection as JSON, the same string until there is a newer one. */
  readonly inspection: () => string | undefined
  /** Starts an inspection of the current weights. */
  readonly look: () => void
}

const UPDATE_MS = 1_000
const MAX_VIEWERS = 64
/** A viewer with more unread bytes is disconnected. It reconnects and continues, or gets a new snapshot. An inspection does not count. */
const MAX_UNREAD_BYTES = 8 * 1024 * 1024
/** Time after which the browser reconnects. */
const RETRY_MS = 1_000
const GOODBYE_MS = 2_000

/**
 * The page at `/`, its files, `/events` (server-sent events: first a snapshot, then the changes), and `POST /look`.
 * For any number of viewers, a snapshot is made at most once in UPDATE_MS; without viewers, none is made.
 */
export class LivePage {
  readonly #source: PageSource
  readonly #page = livePage()
  readonly #files = pageFiles()
  readonly #history = new EventHistory(`${Date.now()}.${process.pid}`)
  readonly #viewers = new Set<ServerResponse>()
  /** New viewers, with the id of their last event if they reconnect. */
  readonly #newcomers = new Map<ServerResponse, string | undefined>()
  #inspection: string | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(source: PageSource) {
    this.#source = source
  }

  /** Number of open pages. */
  get viewers(): number {
    return this.#viewers.size + this.#newcomers.size
  }

  /** Answers a request. @returns false for paths that do not belong to the page */
  handle(pathname: string, request: IncomingMessage, response: ServerResponse): boolean {
    if (request.method === 'POST') {
      if (pathname !== '/look') return false
      this.#look(request, response)
      return true
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') return false
    if (pathname === '/events') this.#join(request, response)
    else if (pathname === '/') {
      const type = { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': this.#page.policy }
      response.writeHead(200, { ...HEADERS, ...type }).end(this.#page.html)
    } else {
      const file = this.#files.get(pathname)
      if (file === undefined) return false
      response.writeHead(200, { ...HEADERS, 'content-type': file.type }).end(file.content)
    }
    return true
  }

  /** Sends the last events to every viewer and closes the connections. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#timer = undefined
    if (this.viewers === 0) return
    this.#update()
    const gone = [...this.#viewers].map(async (viewer) => new Promise((resolve) => viewer.end(resolve)))
    const patience = new Promise((resolve) => setTimeout(resolve, GOODBYE_MS).unref())
    await Promise.race([Promise.all(gone), patience])
  }

  #join(request: IncomingMessage, response: ServerResponse): void {
    if (this.viewers >= MAX_VIEWERS) {
      response
        .writeHead(503, { 'content-type': 'text/plain' })
        .end(`${MAX_VIEWERS} pages show this run already; close one.\n`)
      return
    }
    response.writeHead(200, { ...HEADERS, 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    if (request.method === 'HEAD') {
      response.end()
      return
    }
    response.write(`retry: ${RETRY_MS}\n\n`)
    this.#newcomers.set(response, request.headers['last-event-id']?.toString())
    response.on('close', () => {
      this.#leave(response)
    })
    if (this.#timer !== undefined) return
    this.#timer = setInterval(() => {
      this.#update()
    }, UPDATE_MS)
    this.#update()
  }

  #leave(response: ServerResponse): void {
    this.#viewers.delete(response)
    this.#newcomers.delete(response)
    if (this.viewers > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #update(): void {
    // Encoded once, so that unread bytes of all viewers share memory.
    const news = Buffer.from(this.#news())
    for (const viewer of this.#viewers) {
      if (viewer.writableLength > MAX_UNREAD_BYTES + (this.#inspection?.length ?? 0)) viewer.destroy()
      else viewer.write(news)
    }
    let whole: Buffer | undefined
    for (const [viewer, lastSeen] of this.#newcomers) {
      whole ??= Buffer.from(this.#wholeTimeline())
      viewer.write(this.#history.since(lastSeen) ?? whole)
      this.#viewers.add(viewer)
    }
    this.#newcomers.clear()
  }

  /** Events since the last update. */
  #news(): string {
    const update = this.#source.takeUpdate()
    const news = update
      ? this.#history.add('update', JSON.stringify({ ...update, ...this.#now() }))
      : this.#history.add('snapshot', JSON.stringify({ ...this.#source.snapshot(), ...this.#now() }))
    const inspection = this.#source.inspection()
    if (inspection === this.#inspection) return news
    this.#inspection = inspection
    return news + this.#history.add('inspection', inspection!)
  }

  /** The snapshot for a new viewer. Its id is that of the newest event, whose content it includes. */
  #wholeTimeline(): string {
    const event = (kind: string, json: string): string => `id: ${this.#history.id}\nevent: ${kind}\ndata: ${json}\n\n`
    return (
      event('snapshot', JSON.stringify({ ...this.#source.snapshot(), ...this.#now() })) +
      (this.#inspection === undefined ? '' : event('inspection', this.#inspection))
    )
  }

  #now(): Pick<Update, 'status' | 'looking'> {
    const status = this.#source.status()
    return { ...(status && { status }), looking: this.#source.looking() }
  }

  #look(request: IncomingMessage, response: ServerResponse): void {
    const isOwn = isOfOwnPage(request)
    if (isOwn) this.#source.look()
    response.writeHead(isOwn ? 202 : 403, HEADERS).end()
  }
}

/**
 * Pages of other sites may send requests here, but browsers mark them: by this header, or by the origin if the address is neither HTTPS nor
 * of this machine.
 */
function isOfOwnPage({ headers: { 'sec-fetch-site': site, origin, host } }: IncomingMessage): boolean {
  if (site !== undefined) return site === 'same-origin'
  return origin !== undefined && origin === `http://${host}`
}

const HEADERS = { 'cache-control': 'no-cache', 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' }
