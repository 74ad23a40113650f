import type { RunObserver } from '../training/run-events.js'

/** Workers load TensorFlow for a few seconds before they join. */
const FIRST_WORKER_MS = 6_000

export interface WaitingWatchOptions {
  readonly observer: RunObserver
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Workers of this run's own that are starting. */
  readonly starting: () => number
}

/**
 * Emits `waiting` when no worker can compute: once each time the last worker leaves, and at the start when none has joined after a
 * while, first for the workers that are starting.
 */
export class WaitingWatch {
  readonly #options: WaitingWatchOptions
  readonly #createdMs: number
  #hadWorkers = false
  /** Reason of the last `waiting` event; undefined: none since a worker could compute. */
  #emitted: 'starting' | 'none' | undefined
  #isHeld = false
  #isOver = false

  constructor(options: WaitingWatchOptions) {
    this.#options = options
    this.#createdMs = options.now()
  }

  /** A worker is ready. */
  workerReady(): void {
    this.#hadWorkers = true
    this.#emitted = undefined
  }

  /** @param workers that can compute now */
  workerLeft(workers: number): void {
    if (workers === 0) this.#emit()
  }

  /** @param workers that can compute now */
  tick(workers: number): void {
    if (workers > 0) this.#emitted = undefined
    else if (this.#options.now() - this.#createdMs > FIRST_WORKER_MS) this.#emit()
  }

  /** No worker is needed while the run is held. */
  hold(isHeld: boolean): void {
    // One that lacks workers afterwards waits anew.
    if (this.#isHeld && !isHeld) this.#emitted = undefined
    this.#isHeld = isHeld
  }

  /** The run is over: no worker is needed any more. */
  stop(): void {
    this.#isOver = true
  }

  #emit(): void {
    if (this.#isOver || this.#isHeld || this.#emitted === 'none') return
    const starting = this.#hadWorkers ? 0 : this.#options.starting()
    if (starting > 0 && this.#emitted === 'starting') return
    this.#emitted = starting > 0 ? 'starting' : 'none'
    this.#options.observer({ kind: 'waiting', ...(starting > 0 && { starting }) })
  }
}
