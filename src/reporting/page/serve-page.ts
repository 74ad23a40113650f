import type { IncomingMessage, ServerResponse } from 'node:http'
import { EventHistory } from './event-history.js'
import { livePage, pageFiles } from './page-files.js'
import type { Looking, RunStatus, Snapshot, Update } from './page-state.js'

/** What the page reads from a run. */
export interface PageSource {
  readonly snapshot: () => Snapshot
  /** What came since the last call; undefined: what was shown has changed, show a snapshot. */
  readonly takeUpdate: () => Update | undefined
  readonly status: () => RunStatus | undefined
  readonly looking: () => Looking
  /** An Inspection as JSON, the same string until there is a newer one. */
  readonly inspection: () => string | undefined
  /** Somebody asks for an inspection of the weights now. */
  readonly look: () => void
}

const UPDATE_MS = 1_000
const MAX_VIEWERS = 64
/** A viewer that reads too slowly is let go; it comes back and goes on where it was, or begins anew. An inspection may be on its way besides. */
const MAX_UNREAD_BYTES = 8 * 1024 * 1024
/** What the browser waits before it comes back after a break. */
const RETRY_MS = 1_000
const GOODBYE_MS = 2_000

/**
 * The page at `/`, its files, `/events` (server-sent events: first a snapshot, then what is new), and `POST /look`.
 * However many ask, a snapshot is made at most once in UPDATE_MS, and nothing at all while nobody looks.
 */
export class LivePage {
  readonly #source: PageSource
  readonly #page = livePage()
  readonly #files = pageFiles()
  readonly #history = new EventHistory(`${Date.now()}.${process.pid}`)
  readonly #viewers = new Set<ServerResponse>()
  /** Not sent anything yet, with the id of the last event that they saw, if they were here before. */
  readonly #newcomers = new Map<ServerResponse, string | undefined>()
  #inspection: string | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(source: PageSource) {
    this.#source = source
  }

  /** Pages that look at the run now. */
  get viewers(): number {
    return this.#viewers.size + this.#newcomers.size
  }

  /** Answers a request. @returns false when it is nothing of the page */
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

  /** Sends every viewer what came last, and lets them go. */
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
      response.writeHead(503, { 'content-type': 'text/plain' }).end(`${MAX_VIEWERS} pages look at this run already.\n`)
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
    // Encoded once: what viewers have not read yet is in memory once, however many they are.
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

  /** For who was not here before. Its id is that of the newest event: it holds what they said. */
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
 * Other sites' pages may send requests here, but browsers say that they are others': by this header, or by the origin where the
 * address is neither HTTPS nor this machine's own.
 */
function isOfOwnPage({ headers: { 'sec-fetch-site': site, origin, host } }: IncomingMessage): boolean {
  if (site !== undefined) return site === 'same-origin'
  return origin !== undefined && origin === `http://${host}`
}

const HEADERS = { 'cache-control': 'no-cache', 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' }
