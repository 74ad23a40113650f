/** Lets a run take a number of steps, then holds it. */
export class StepGate {
  #allowed = 0
  #seconds: number[] = []
  #lastMs = 0
  #wake: () => void = () => undefined
  #resolve: (seconds: number[]) => void = () => undefined
  #reject: (error: Error) => void = () => undefined
  #failure: Error | undefined

  async take(count: number): Promise<number[]> {
    if (this.#failure !== undefined) throw this.#failure
    return new Promise((resolve, reject) => {
      this.#seconds = []
      this.#lastMs = performance.now()
      this.#allowed = count
      this.#resolve = resolve
      this.#reject = reject
      this.#wake()
    })
  }

  /** Called before each step. Settles at once, or when the next round begins. */
  async open(signal: AbortSignal): Promise<void> {
    while (this.#allowed === 0) {
      signal.throwIfAborted()
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal.removeEventListener('abort', wake)
          resolve()
        }
        this.#wake = wake
        signal.addEventListener('abort', wake)
      })
    }
    this.#allowed--
  }

  /** Called after each step. A step's time runs from the end of the step before it, so nothing between steps is left out. */
  stepped(): void {
    const nowMs = performance.now()
    this.#seconds.push((nowMs - this.#lastMs) / 1000)
    this.#lastMs = nowMs
    if (this.#allowed === 0) this.#resolve(this.#seconds)
  }

  fail(error: Error): void {
    this.#failure = error
    this.#reject(error)
  }
}
