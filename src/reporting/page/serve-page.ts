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

export interface LivePage {
  /** Answers a request. @returns false when it is nothing of the page */
  handle(pathname: string, request: IncomingMessage, response: ServerResponse): boolean
  /** Pages that look at the run now. */
  readonly viewers: number
  /** Tells every viewer what came last, and lets them go. */
  close(): Promise<void>
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
export function livePageOf(source: PageSource): LivePage {
  const { html, policy } = livePage()
  const files = pageFiles()
  const history = new EventHistory(`${Date.now()}.${process.pid}`)
  const viewers = new Set<ServerResponse>()
  /** Not told anything yet, with the id of the last event that they saw, if they were here before. */
  const newcomers = new Map<ServerResponse, string | undefined>()
  let inspection: string | undefined
  let timer: NodeJS.Timeout | undefined

  const now = (): Pick<Update, 'status' | 'looking'> => {
    const status = source.status()
    return { ...(status && { status }), looking: source.looking() }
  }
  const tick = (): void => {
    const update = source.takeUpdate()
    let told = update
      ? history.add('update', JSON.stringify({ ...update, ...now() }))
      : history.add('snapshot', JSON.stringify({ ...source.snapshot(), ...now() }))
    if (source.inspection() !== inspection) {
      inspection = source.inspection()
      told += history.add('inspection', inspection!)
    }
    // Encoded once: what viewers have not read yet is in memory once, however many they are.
    const news = Buffer.from(told)
    for (const viewer of viewers) {
      if (viewer.writableLength > MAX_UNREAD_BYTES + (inspection?.length ?? 0)) viewer.destroy()
      else viewer.write(news)
    }
    let whole: Buffer | undefined
    for (const [viewer, lastSeen] of newcomers) {
      whole ??= Buffer.from(wholeTimeline())
      viewer.write(history.since(lastSeen) ?? whole)
      viewers.add(viewer)
    }
    newcomers.clear()
  }
  /** For who was not here before. Its id is that of the newest event: it holds what they told. */
  const wholeTimeline = (): string => {
    const event = (kind: string, json: string): string => `id: ${history.id}\nevent: ${kind}\ndata: ${json}\n\n`
    return (
      event('snapshot', JSON.stringify({ ...source.snapshot(), ...now() })) +
      (inspection === undefined ? '' : event('inspection', inspection))
    )
  }
  const join = (request: IncomingMessage, response: ServerResponse): void => {
    if (viewers.size + newcomers.size >= MAX_VIEWERS) {
      response.writeHead(503, { 'content-type': 'text/plain' }).end(`${MAX_VIEWERS} pages look at this run already.\n`)
      return
    }
    response.writeHead(200, { ...HEADERS, 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    if (request.method === 'HEAD') {
      response.end()
      return
    }
    response.write(`retry: ${RETRY_MS}\n\n`)
    newcomers.set(response, request.headers['last-event-id']?.toString())
    response.on('close', () => {
      viewers.delete(response)
      newcomers.delete(response)
      if (viewers.size + newcomers.size > 0) return
      clearInterval(timer)
      timer = undefined
    })
    if (timer !== undefined) return
    timer = setInterval(tick, UPDATE_MS)
    tick()
  }
  const look = (request: IncomingMessage, response: ServerResponse): void => {
    const isOwn = isOfOwnPage(request)
    if (isOwn) source.look()
    response.writeHead(isOwn ? 202 : 403, HEADERS).end()
  }

  return {
    get viewers() {
      return viewers.size + newcomers.size
    },
    handle: (pathname, request, response) => {
      if (request.method === 'POST') {
        if (pathname !== '/look') return false
        look(request, response)
        return true
      }
      if (request.method !== 'GET' && request.method !== 'HEAD') return false
      if (pathname === '/events') join(request, response)
      else if (pathname === '/') {
        const type = { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy }
        response.writeHead(200, { ...HEADERS, ...type }).end(html)
      } else {
        const file = files.get(pathname)
        if (file === undefined) return false
        response.writeHead(200, { ...HEADERS, 'content-type': file.type }).end(file.content)
      }
      return true
    },
    close: async () => {
      clearInterval(timer)
      timer = undefined
      if (viewers.size + newcomers.size === 0) return
      tick()
      const gone = [...viewers].map(async (viewer) => new Promise((resolve) => viewer.end(resolve)))
      const patience = new Promise((resolve) => setTimeout(resolve, GOODBYE_MS).unref())
      await Promise.race([Promise.all(gone), patience])
    },
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
