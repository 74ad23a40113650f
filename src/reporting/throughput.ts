/** Least weight of the newest step: the rate follows about the last 20 steps. */
const MIN_WEIGHT = 0.05

/**
 * The rate of a run and the time that is left, for all displays. The mean step duration counts the first steps alike, and later ones by an
 * exponential average. The first step of a run waits for workers to start, and is left out.
 */
export class Throughput {
  #batchSize = 0
  #totalSteps = 0
  #step = 0
  /** Steps since the coordinator began. */
  #measured = 0
  #stepMs = 0

  /** @param batchSize training samples of a step */
  started(totalSteps: number, batchSize: number): void {
    this.#totalSteps = totalSteps
    this.#batchSize = batchSize
  }

  /** The run goes on after so many steps. */
  resumed(step: number): void {
    this.#step = step
    this.#measured = 0
  }

  /** @param step steps done so far */
  step(step: number, durationMs: number): void {
    this.#step = step
    // The first one that is measured waits for workers to start.
    if (this.#measured > 0) this.#stepMs += Math.max(MIN_WEIGHT, 1 / this.#measured) * (durationMs - this.#stepMs)
    this.#measured++
  }

  /** Training samples of all workers together, evaluation excluded. 0: not measured yet. */
  get samplesPerSecond(): number {
    return this.#stepMs > 0 ? (1000 * this.#batchSize) / this.#stepMs : 0
  }

  /** For the steps that are left, evaluation excluded. 0: not measured yet, or none. */
  get secondsLeft(): number {
    return ((this.#totalSteps - this.#step) * this.#stepMs) / 1000
  }
}
