import type { PathCosts } from './exchange-costs.js'
import type { SimulatedResource } from './simulated-resource.js'
import type { VirtualTime } from './virtual-time.js'

/** The link of the coordinator's machine, which all its members share. */
export interface MachineLink {
  readonly up: SimulatedResource
  readonly down: SimulatedResource
  /** One way. */
  readonly latencyMs: number
  readonly bytesPerMs: number
}

export interface VectorPathOptions {
  readonly time: VirtualTime
  /** Of the coordinator or relay. */
  readonly thread: SimulatedResource
  /** Undefined: the path is memory. */
  readonly link: MachineLink | undefined
  readonly costs: PathCosts
  /** Of a vector. */
  readonly bytes: number
  /** Checking and adding a result. */
  readonly resultMs: number
}

/** Vectors travel in chunks of this size, and members take turns chunk by chunk. */
const CHUNK_BYTES = 2 ** 20
/** More of them would change nothing but the time that the simulation takes. */
const MAX_PIECES = 8

/** How vectors travel between a coordinator or relay and one member: what they cost there, and on the link. */
export class VectorPath {
  readonly #options: VectorPathOptions
  readonly #pieces: number

  constructor(options: VectorPathOptions) {
    this.#options = options
    this.#pieces = options.link ? Math.min(MAX_PIECES, Math.ceil(options.bytes / CHUNK_BYTES)) : 1
  }

  /** @param arrived runs when the member has the weights */
  sendWeights(arrived: () => void): void {
    const { time, thread, link, costs } = this.#options
    const send = (left: number): void => {
      thread.use(costs.sendMs / this.#pieces, () => {
        if (left > 1) send(left - 1)
        this.#carry(link?.down, () => {
          if (left === 1) time.after(costs.downMs, arrived)
        })
      })
    }
    send(this.#pieces)
  }

  /** @param added runs when the result is there, and checked and added */
  sendResult(added: () => void): void {
    const { time, thread, link, costs, resultMs } = this.#options
    const send = (left: number): void => {
      this.#carry(link?.up, () => {
        const receiveMs = costs.receiveMs / this.#pieces
        if (left === 1) return thread.use(receiveMs + resultMs, added)
        thread.use(receiveMs, () => undefined)
        send(left - 1)
      })
    }
    time.after(costs.upMs + (link?.latencyMs ?? 0), () => {
      send(this.#pieces)
    })
  }

  #carry(direction: SimulatedResource | undefined, then: () => void): void {
    const { link, bytes } = this.#options
    if (direction === undefined) then()
    else direction.use(bytes / this.#pieces / link!.bytesPerMs, then)
  }
}
