/** Permits a burst, then a fixed number per second. */
export class RateLimit {
  readonly #burst: number
  readonly #perSecond: number
  #left: number
  #atMs: number | undefined

  constructor(burst: number, perSecond: number) {
    this.#burst = burst
    this.#perSecond = perSecond
    this.#left = burst
  }

  /** @returns whether one more may pass now */
  take(nowMs: number): boolean {
    // A clock that is set back changes nothing.
    const seconds = Math.max(0, nowMs - (this.#atMs ?? nowMs)) / 1000
    this.#atMs = nowMs
    this.#left = Math.min(this.#burst, this.#left + seconds * this.#perSecond)
    if (this.#left < 1) return false
    this.#left--
    return true
  }
}
