import type { Socket } from 'node:net'
import type { SeededDraws } from '../../simulation/seeded-draws.js'

/** Faults of one direction of a link. All can be changed while bytes flow. */
export interface LaneFaults {
  /** Delay of every byte. */
  delayMs: number
  /** Maximum additional delay, drawn for each read; the order of bytes stays. */
  jitterMs: number
  /** Limit of each connection; Infinity for none. */
  bytesPerSecond: number
  /** The source is not read while so many bytes wait: a link holds little beside what is on its way, and blocks its sender. */
  maxHeldBytes: number
  /** hold: bytes wait until the fault ends, as in a partition. drop: bytes that arrive now are lost. */
  blackhole: 'none' | 'hold' | 'drop'
  /** Share of reads that are lost at first and arrive a retransmission timeout later, which doubles with each loss. */
  lossRate: number
  /** Number of reads in which one bit will be flipped. */
  flips: number
  /** Minimum bytes of a read with a flipped bit: a chunk of a vector, not a ping. */
  flipAtLeastBytes: number
}

export const NO_FAULTS: Readonly<LaneFaults> = {
  delayMs: 0,
  jitterMs: 0,
  bytesPerSecond: Infinity,
  maxHeldBytes: 256 * 1024,
  blackhole: 'none',
  lossRate: 0,
  flips: 0,
  flipAtLeastBytes: 1,
}

/** Linux waits at least this long before it sends a lost segment again. */
const RETRANSMISSION_MS = 200
const MAX_RETRANSMISSION_MS = 3_200
/** A slow link sends pieces of this duration, so that the limit holds from the first byte. */
const PIECE_SECONDS = 0.02
/** Timers are late by a millisecond or two: a link that slept that long makes up for it, or it would be slower than its limit. */
const LATE_MS = 5

interface Queued {
  /** A close takes the way of the bytes: it arrives after them, or never. */
  readonly what: Buffer | 'end' | 'reset'
  readonly dueMs: number
}

/** One direction of one connection: bytes go from `source` to `sink` with the faults applied. */
export class FaultLane {
  readonly #source: Socket
  readonly #sink: Socket
  readonly #faults: LaneFaults
  readonly #draws: SeededDraws
  readonly #queue: Queued[] = []
  #queuedBytes = 0
  #lastDueMs = 0
  /** When the link can send again. */
  #freeMs = 0
  #isFull = false
  #timer: NodeJS.Timeout | undefined
  #isMuted = false
  /** Whether bytes were dropped, after which the connection cannot continue. */
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

  /** Bytes that wait to be sent. */
  get heldBytes(): number {
    return this.#queuedBytes
  }

  /** Sends the bytes that are due. */
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
      this.#deliver(next)
    }
    if (this.#queuedBytes < this.#faults.maxHeldBytes) this.#source.resume()
  }

  /** Stops sending, without closing the sink. */
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
    if (this.#queuedBytes >= this.#faults.maxHeldBytes) this.#source.pause()
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

  #deliver({ what, dueMs }: Queued): void {
    if (this.#sink.destroyed) return
    if (what === 'reset') breakOff(this.#sink)
    else if (what === 'end') this.#sink.end()
    else {
      this.#queuedBytes -= what.length
      const beganMs = Math.max(performance.now() - LATE_MS, dueMs, this.#freeMs)
      this.#freeMs = beganMs + (what.length / this.#faults.bytesPerSecond) * 1000
      this.#isFull = !this.#sink.write(what)
    }
  }
}

/** Ends with RST; without it after its end was sent, because Node 20 would not exit (libuv rejects a reset during a shutdown). */
export function breakOff(socket: Socket): void {
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}
