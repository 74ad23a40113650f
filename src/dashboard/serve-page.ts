import type { IncomingMessage, ServerResponse } from 'node:http'
import { livePage, pageFiles } from './page-files.js'
import type { RunStatus, Snapshot, Update } from './page-state.js'

/** What the page reads from a run. */
export interface PageSource {
  readonly snapshot: () => Snapshot
  /** What came since the last call; undefined: what was shown has changed, show a snapshot. */
  readonly takeUpdate: () => Update | undefined
  readonly status: () => RunStatus | undefined
}

export interface LivePage {
  /** Answers a GET. @returns false when it is nothing of the page */
  handle(pathname: string, request: IncomingMessage, response: ServerResponse): boolean
  /** Tells every viewer what came last, and lets them go. */
  close(): void
}

const UPDATE_MS = 500
const MOST_VIEWERS = 64
/** A viewer that reads too slowly is let go; it comes back and begins with a snapshot. */
const MOST_UNREAD_BYTES = 8 * 1024 * 1024
/** What the browser waits before it comes back after a break. */
const RETRY_MS = 1_000

/** The page at `/`, its files, and `/events`: server-sent events, first a snapshot and then what is new. */
export function livePageOf(source: PageSource): LivePage {
  const { html, policy } = livePage()
  const files = pageFiles()
  const viewers = new Set<ServerResponse>()
  let timer: NodeJS.Timeout | undefined

  const whole = (): string => {
    const status = source.status()
    return message('snapshot', { ...source.snapshot(), ...(status && { status }) })
  }
  const broadcast = (): void => {
    const update = source.takeUpdate()
    const status = source.status()
    const text = update === undefined ? whole() : message('update', { ...update, ...(status && { status }) })
    for (const viewer of viewers) {
      if (viewer.writableLength > MOST_UNREAD_BYTES) viewer.destroy()
      else viewer.write(text)
    }
  }
  const join = (response: ServerResponse): void => {
    if (viewers.size >= MOST_VIEWERS) {
      response.writeHead(503, { 'content-type': 'text/plain' }).end(`${MOST_VIEWERS} pages look at this run already.\n`)
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    // Others see now what this one's snapshot holds already.
    broadcast()
    response.write(`retry: ${RETRY_MS}\n${whole()}`)
    viewers.add(response)
    timer ??= setInterval(broadcast, UPDATE_MS)
    response.on('close', () => {
      viewers.delete(response)
      if (viewers.size > 0) return
      clearInterval(timer)
      timer = undefined
    })
  }

  return {
    handle: (pathname, _request, response) => {
      if (pathname === '/events') join(response)
      else if (pathname === '/') {
        response.writeHead(200, {
          ...HEADERS,
          'content-type': 'text/html; charset=utf-8',
          'content-security-policy': policy,
        })
        response.end(html)
      } else {
        const file = files.get(pathname)
        if (file === undefined) return false
        response.writeHead(200, { ...HEADERS, 'content-type': file.type }).end(file.content)
      }
      return true
    },
    close: () => {
      broadcast()
      clearInterval(timer)
      timer = undefined
      for (const viewer of viewers) viewer.end()
    },
  }
}

const HEADERS = { 'cache-control': 'no-cache', 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' }

function message(event: string, data: Snapshot | Update): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}
