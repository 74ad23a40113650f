import type { Socket } from 'node:net'
import type * as grpc from '@grpc/grpc-js'
import { collectGarbage } from '../collect-garbage.js'
import { descriptorLimit } from '../descriptor-limit.js'
import { counted, formatDuration } from '../units.js'
import { onCallOver } from './call-over.js'

/** A connection stays this long without being in use: joins over slow links take a few seconds. */
const UNUSED_MS = 20_000
const SWEEP_MS = 1_000
/** Closed connections are reported at most this often. */
const REPORT_MS = 60_000
/** Of the descriptors of this process, per listener: workers and files need theirs. */
const SHARE_OF_DESCRIPTORS = 1 / 16
/**
 * Of the unused connections, those whose calls are over. A worker that joined makes its next call at once; one that was refused hangs
 * up. Each costs some 200 kB as an HTTP/2 session, and much more once V8 takes it for long-lived.
 */
const SHARE_SPENT = 1 / 4
/**
 * V8 takes closed connections for long-lived, some 50 kB of each and as much again outside its heap, and lets its heap triple before it
 * looks at those. After this many it is told to.
 */
const COLLECT_AFTER = 400
/** A collection stops the process for some 50 ms: a flood may not make it do nothing else. */
const COLLECT_EVERY_MS = 2_000

export interface OpenConnectionsOptions {
  /** Connections that are not in use, beside those whose calls are over. Fewer where this process has few descriptors. */
  readonly maxUnused: number
  /** Connections that are in use, by `address:port` of the peer. @default those with a call that is not over */
  readonly isInUse?: (peer: string) => boolean
  /** Told in one line what was closed. */
  readonly report: (line: string) => void
}

interface Connection {
  readonly socket: Socket
  /** `address:port` of the other side. */
  readonly peer: string
  /** Its address. */
  readonly from: string
  /** When it began, or was last seen in use. */
  sinceMs: number
  openCalls: number
  /** It had calls, and has none now. */
  isSpent: boolean
}

/**
 * The connections of a listener. Anybody who reaches it can open them, say nothing, and never hang up. Those that are not in use are
 * closed after a time, and for newer ones when there are too many: of the address that has the most, the oldest.
 */
export class OpenConnections {
  readonly #options: OpenConnectionsOptions
  readonly #maxUnused: number
  readonly #maxSpent: number
  /** By `address:port` of the peer, the oldest first. */
  readonly #connections = new Map<string, Connection>()
  readonly #sweeping: NodeJS.Timeout
  #closed = 0
  #reportedMs = -Infinity
  /** Connections that ended since garbage was last collected. */
  #ended = 0
  #collectedMs = -Infinity

  constructor(options: OpenConnectionsOptions) {
    this.#options = options
    this.#maxUnused = Math.max(4, Math.min(options.maxUnused, Math.floor(descriptorLimit() * SHARE_OF_DESCRIPTORS)))
    this.#maxSpent = Math.ceil(this.#maxUnused * SHARE_SPENT)
    this.#sweeping = setInterval(() => {
      this.#sweep()
    }, SWEEP_MS).unref()
  }

  /** For the server of this listener: sees which connections have calls. */
  readonly interceptor: grpc.ServerInterceptor = ({ requestStream }, call) => {
    const connection = this.#connections.get(call.getPeer())
    if (connection === undefined) return onCallOver(call, () => undefined)
    connection.openCalls++
    connection.isSpent = false
    return onCallOver(call, (_code, _details, isRequestWhole) => {
      connection.openCalls--
      connection.isSpent = connection.openCalls === 0
      if (!requestStream && !isRequestWhole && this.#options.isInUse?.(connection.peer) !== true) {
        // Nobody wants the rest of this request, and gRPC would read all of it. The status goes out in this turn of the event loop.
        setImmediate(() => {
          this.#destroy(connection)
        })
      }
      this.#makeRoom()
    })
  }

  add(socket: Socket): void {
    const { remoteAddress: from = '', remotePort } = socket
    const peer = `${from}:${remotePort}`
    this.#connections.set(peer, { socket, peer, from, sinceMs: performance.now(), openCalls: 0, isSpent: false })
    socket.once('close', () => {
      this.#connections.delete(peer)
      this.#ended++
    })
    this.#makeRoom()
  }

  /** Destroys every connection at once, whatever its peer does or does not do. */
  close(): void {
    clearInterval(this.#sweeping)
    for (const { socket } of this.#connections.values()) socket.destroy()
  }

  #isInUse({ peer, openCalls }: Connection): boolean {
    return this.#options.isInUse?.(peer) ?? openCalls > 0
  }

  #makeRoom(): void {
    // A call alone does not keep a connection when there are too many.
    const unused = [...this.#connections.values()].filter(({ peer }) => this.#options.isInUse?.(peer) !== true)
    const spent = unused.filter(({ isSpent }) => isSpent)
    if (spent.length > this.#maxSpent) this.#destroy(oldestOfTheMost(spent))
    const others = unused.filter(({ isSpent }) => !isSpent)
    if (others.length > this.#maxUnused) this.#destroy(oldestOfTheMost(others))
  }

  #sweep(): void {
    const nowMs = performance.now()
    for (const connection of this.#connections.values()) {
      if (this.#isInUse(connection)) connection.sinceMs = nowMs
      else if (nowMs - connection.sinceMs > UNUSED_MS) this.#destroy(connection)
    }
    if (this.#ended >= COLLECT_AFTER && nowMs - this.#collectedMs >= COLLECT_EVERY_MS) {
      this.#ended = 0
      this.#collectedMs = nowMs
      collectGarbage()
    }
    if (this.#closed === 0 || nowMs - this.#reportedMs < REPORT_MS) return
    this.#reportedMs = nowMs
    const bounds = `for ${formatDuration(UNUSED_MS / 1000)}, or that were too many`
    this.#options.report(`Closed ${counted(this.#closed, 'connection')} that nobody used ${bounds}.`)
    this.#closed = 0
  }

  #destroy({ socket, peer }: Connection): void {
    this.#closed++
    this.#connections.delete(peer)
    socket.destroy()
  }
}

/** An address that floods closes its own connections. */
function oldestOfTheMost(connections: readonly Connection[]): Connection {
  const byAddress = new Map<string, Connection[]>()
  for (const connection of connections) {
    const same = byAddress.get(connection.from)
    if (same) same.push(connection)
    else byAddress.set(connection.from, [connection])
  }
  const [most] = [...byAddress.values()].sort((one, other) => other.length - one.length)
  return most![0]!
}
