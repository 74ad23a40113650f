import type { VirtualTime } from './virtual-time.js'

/** A process in virtual time, which can be killed, started again and paused. */
export class SimulatedProcess {
  readonly #time: VirtualTime
  /** Callbacks of an earlier life are void. */
  #life = 0
  #isAlive = false
  #pausedUntilMs = 0

  constructor(time: VirtualTime) {
    this.#time = time
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  /** Number of its lives so far. */
  get life(): number {
    return this.#life
  }

  /** @returns false when it is alive already */
  start(): boolean {
    if (this.#isAlive) return false
    this.#isAlive = true
    this.#life++
    return true
  }

  /** SIGKILL. @returns false when it is dead already */
  kill(): boolean {
    if (!this.#isAlive) return false
    this.#isAlive = false
    this.#life++
    return true
  }

  /** SIGSTOP and, after a while, SIGCONT. */
  pause(forMs: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#time.nowMs + forMs)
  }

  /** Runs in this life; later when the process is paused then. */
  after(delayMs: number, run: () => void): void {
    this.#time.after(
      delayMs,
      this.inThisLife(() => true, run),
    )
  }

  /** A callback that runs in this life only, while `isValid`; later when the process is paused. */
  inThisLife<Args extends unknown[]>(isValid: () => boolean, run: (...args: Args) => void): (...args: Args) => void {
    const life = this.#life
    const guarded = (...args: Args): void => {
      if (life !== this.#life || !isValid()) return
      if (this.#pausedUntilMs > this.#time.nowMs) {
        this.#time.at(this.#pausedUntilMs, () => {
          guarded(...args)
        })
      } else run(...args)
    }
    return guarded
  }
}
