import type { VirtualTime } from './virtual-time.js'

/** What serves one after the other, in the order in which they ask: a thread, or one direction of a link. */
export class SimulatedResource {
  readonly #time: VirtualTime
  #freeMs = 0

  constructor(time: VirtualTime) {
    this.#time = time
  }

  /** Is in use for this time, after those that asked before. @param then runs at its end */
  use(forMs: number, then: () => void): void {
    this.#freeMs = Math.max(this.#freeMs, this.#time.nowMs) + forMs
    this.#time.at(this.#freeMs, then)
  }
}
