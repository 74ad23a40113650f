import type { Socket } from 'node:net'
import type { SeededDraws } from '../../../src/simulation/seeded-draws.js'

/** What one direction of a link does to the bytes. All of it can be changed while bytes flow. */
export interface LaneFaults {
  /** Every byte comes so much later. */
  delayMs: number
  /** And up to so much later again, drawn anew for each read; the order of bytes stays. */
  jitterMs: number
  /** Of each connection; Infinity: no limit. */
  bytesPerSecond: number
  /** hold: nothing passes until it is over, as behind a partition. drop: nothing that comes now ever passes. */
  blackhole: 'none' | 'hold' | 'drop'
  /** Share of reads that are lost at first: they come a retransmission timeout later, which doubles with each loss. */
  lossRate: number
  /** Reads in which one bit is still to be flipped. */
  flips: number
  /** Only reads of so many bytes are flipped: a chunk of a vector, and not a ping. */
  flipAtLeastBytes: number
}

export const NO_FAULTS: Readonly<LaneFaults> = {
  delayMs: 0,
  jitterMs: 0,
  bytesPerSecond: Infinity,
  blackhole: 'none',
  lossRate: 0,
  flips: 0,
  flipAtLeastBytes: 1,
}

/** Linux waits at least this long before it sends a lost segment again. */
const RETRANSMISSION_MS = 200
const MAX_RETRANSMISSION_MS = 3_200
/** A slow link is fed in pieces of this time, so that the limit holds from the first byte on. */
const PIECE_SECONDS = 0.02
/** The source is read no further while so much waits: a link holds little, and the sender must feel it. */
const MAX_QUEUED_BYTES = 256 * 1024

interface Queued {
  /** Closing goes the way of the bytes: the other side learns of it after them, or never. */
  readonly what: Buffer | 'end' | 'reset'
  readonly dueMs: number
}

/** One direction of one connection: what comes out of `source` goes into `sink`, as late and as damaged as the faults say. */
export class FaultLane {
  readonly #source: Socket
  readonly #sink: Socket
  readonly #faults: LaneFaults
  readonly #draws: SeededDraws
  readonly #queue: Queued[] = []
  #queuedBytes = 0
  #lastDueMs = 0
  /** When the link has room again. */
  #freeMs = 0
  #isFull = false
  #timer: NodeJS.Timeout | undefined
  #isMuted = false
  /** Something was dropped: the connection can never go on. */
  hasHole = false

  /** @param faults shared by all connections of a link; call {@link wake} after a change */
  constructor(source: Socket, sink: Socket, faults: LaneFaults, draws: SeededDraws) {
    this.#source = source
    this.#sink = sink
    this.#faults = faults
    this.#draws = draws
    source.on('data', (bytes: Buffer) => {
      this.#take(bytes)
    })
    source.on('end', () => {
      this.#push('end')
    })
    source.on('error', () => {
      this.#push('reset')
    })
    source.on('close', () => {
      this.#push('end')
    })
    sink.on('drain', () => {
      this.#isFull = false
      this.wake()
    })
    sink.on('close', () => {
      clearTimeout(this.#timer)
    })
  }

  /** What waits to be passed on. */
  get heldBytes(): number {
    return this.#queuedBytes
  }

  /** Sends what may go now. */
  wake(): void {
    clearTimeout(this.#timer)
    for (let next; (next = this.#queue[0]) !== undefined && !this.#isFull && this.#faults.blackhole === 'none';) {
      const waitMs = Math.max(next.dueMs, this.#freeMs) - performance.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => {
          this.wake()
        }, waitMs)
        return
      }
      this.#queue.shift()
      this.#deliver(next.what)
    }
    if (this.#queuedBytes < MAX_QUEUED_BYTES) this.#source.resume()
  }

  /** Nothing passes any more, and the sink is never told. */
  mute(): void {
    this.#isMuted = true
    this.#queue.length = 0
  }

  #take(bytes: Buffer): void {
    const faults = this.#faults
    if (faults.flips > 0 && bytes.length >= faults.flipAtLeastBytes) {
      faults.flips--
      bytes[this.#draws.below(bytes.length)]! ^= 1 << this.#draws.below(8)
    }
    const piece = Math.max(1, Math.floor(faults.bytesPerSecond * PIECE_SECONDS))
    for (let at = 0; at < bytes.length; at += piece) this.#push(bytes.subarray(at, at + piece))
    if (this.#queuedBytes >= MAX_QUEUED_BYTES) this.#source.pause()
  }

  #push(what: Queued['what']): void {
    if (this.#isMuted) return
    if (this.#faults.blackhole === 'drop') {
      this.hasHole = true
      return
    }
    if (typeof what !== 'string') this.#queuedBytes += what.length
    this.#lastDueMs = Math.max(this.#lastDueMs, performance.now() + this.#delayMs())
    this.#queue.push({ what, dueMs: this.#lastDueMs })
    this.wake()
  }

  #delayMs(): number {
    const { delayMs, jitterMs, lossRate } = this.#faults
    let lostMs = 0
    for (let timeoutMs = RETRANSMISSION_MS; lossRate > 0 && this.#draws.chance(lossRate); timeoutMs *= 2) {
      lostMs += timeoutMs
      if (timeoutMs >= MAX_RETRANSMISSION_MS) break
    }
    return delayMs + (jitterMs > 0 ? this.#draws.between(0, jitterMs) : 0) + lostMs
  }

  #deliver(what: Queued['what']): void {
    if (this.#sink.destroyed) return
    if (what === 'reset') breakOff(this.#sink)
    else if (what === 'end') this.#sink.end()
    else {
      this.#queuedBytes -= what.length
      this.#freeMs = Math.max(performance.now(), this.#freeMs) + (what.length / this.#faults.bytesPerSecond) * 1000
      this.#isFull = !this.#sink.write(what)
    }
  }
}

/** Ends with RST. After its end was sent, without: Node 20 would not exit any more (libuv refuses to reset what shuts down). */
export function breakOff(socket: Socket): void {
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}
