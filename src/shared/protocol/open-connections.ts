import type { Socket } from 'node:net'
import type * as grpc from '@grpc/grpc-js'
import { collectGarbage } from '../collect-garbage.js'
import { descriptorLimit } from '../descriptor-limit.js'
import { counted, formatDuration } from '../units.js'
import { onCallEnd } from './call-end.js'

/** An unused connection is closed after this time. Joins over slow links take a few seconds. */
const UNUSED_MS = 20_000
const SWEEP_MS = 1_000
/** Closed connections are reported at most this often. */
const REPORT_MS = 60_000
/** Share of this process's descriptors for unused connections of a listener. Workers and files need the others. */
const SHARE_OF_DESCRIPTORS = 1 / 16
/**
 * Share of the unused connections for those whose calls are over. A worker that joined makes its next call at once; a rejected one hangs
 * up. Each connection costs some 200 kB as an HTTP/2 session, and much more once V8 takes it for long-lived.
 */
const SHARE_SPENT = 1 / 4
/**
 * Garbage is collected after this many closed connections. V8 takes their garbage for long-lived (some 50 kB each, and as much again outside
 * its heap), and would let its heap triple before collecting it.
 */
const COLLECT_AFTER = 400
/** A collection stops the process for some 50 ms. This limits the time that a flood of connections can cost. */
const COLLECT_EVERY_MS = 2_000

export interface OpenConnectionsOptions {
  /** Limit on unused connections, not counting those whose calls are over. Lower if this process has few descriptors. */
  readonly maxUnused: number
  /** Whether a connection is in use, by `address:port` of the peer. @default whether it has an open call */
  readonly isInUse?: (peer: string) => boolean
  /** Receives a line about closed connections. */
  readonly report: (line: string) => void
}

interface Connection {
  readonly socket: Socket
  /** `address:port` of the other side. */
  readonly peer: string
  /** Its address. */
  readonly from: string
  /** When it was opened, or was last in use. */
  sinceMs: number
  openCalls: number
  /** Whether it had calls and has none now. */
  isSpent: boolean
}

/**
 * The connections of a listener. Any peer can open connections, send nothing and never close them. Unused ones are closed after a time; when
 * there are too many, the oldest of the address with the most is closed.
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

  /** Interceptor for the server of this listener; counts the calls of each connection. */
  readonly interceptor: grpc.ServerInterceptor = ({ requestStream }, call) => {
    const connection = this.#connections.get(call.getPeer())
    if (connection === undefined) return onCallEnd(call, () => undefined)
    connection.openCalls++
    connection.isSpent = false
    return onCallEnd(call, (_code, _details, isRequestWhole) => {
      connection.openCalls--
      connection.isSpent = connection.openCalls === 0
      if (!requestStream && !isRequestWhole && this.#options.isInUse?.(connection.peer) !== true) {
        // gRPC would read the unneeded rest of this request. The status is sent in this turn of the event loop.
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

  /** Destroys every connection at once, without waiting for its peer. */
  close(): void {
    clearInterval(this.#sweeping)
    for (const { socket } of this.#connections.values()) socket.destroy()
  }

  #isInUse({ peer, openCalls }: Connection): boolean {
    return this.#options.isInUse?.(peer) ?? openCalls > 0
  }

  #makeRoom(): void {
    // When there are too many connections, an open call alone does not protect one.
    const unused = [...this.#connections.values()].filter(({ peer }) => this.#options.isInUse?.(peer) !== true)
    const spent = unused.filter(({ isSpent }) => isSpent)
    if (spent.length > this.#maxSpent) this.#destroy(oldestOfBusiestAddress(spent))
    const others = unused.filter(({ isSpent }) => !isSpent)
    if (others.length > this.#maxUnused) this.#destroy(oldestOfBusiestAddress(others))
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
    const bounds = `for ${formatDuration(UNUSED_MS / 1000)}, or that exceeded the limit`
    this.#options.report(`Closed ${counted(this.#closed, 'connection')} that were unused ${bounds}.`)
    this.#closed = 0
  }

  #destroy({ socket, peer }: Connection): void {
    this.#closed++
    this.#connections.delete(peer)
    socket.destroy()
  }
}

/** The oldest connection of the address with the most: a flood closes its own connections. */
function oldestOfBusiestAddress(connections: readonly Connection[]): Connection {
  const byAddress = new Map<string, Connection[]>()
  for (const connection of connections) {
    const same = byAddress.get(connection.from)
    if (same) same.push(connection)
    else byAddress.set(connection.from, [connection])
  }
  const [most] = [...byAddress.values()].sort((one, other) => other.length - one.length)
  return most![0]!
}
