/** One timer that is set anew all the time. */
export class WakeTimer {
  readonly #now: () => number
  readonly #wake: () => void
  #timer: NodeJS.Timeout | undefined

  /** @param now monotonic milliseconds */
  constructor(now: () => number, wake: () => void) {
    this.#now = now
    this.#wake = wake
  }

  /** @param atMs Infinity: not at all */
  set(atMs: number): void {
    clearTimeout(this.#timer)
    if (atMs === Infinity) return
    this.#timer = setTimeout(this.#wake, Math.max(1, Math.ceil(atMs - this.#now())))
  }
}
