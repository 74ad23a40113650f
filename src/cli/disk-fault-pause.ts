import { setTimeout as delay } from 'node:timers/promises'
import type { Steering } from '../coordinator/steering.js'
import type { Logger } from '../shared/log/log.js'

/** A checkpoint that failed is tried again after this time. */
const RETRY_MS = 5_000

/** For `--on-disk-fault pause`: the run makes no step while the disk does not take its checkpoints and its journal. */
export class DiskFaultPause {
  readonly #steering: Pick<Steering, 'pause' | 'checkpoint' | 'continue'>
  readonly #log: Logger
  readonly #signal: AbortSignal
  #isPausing = false

  /** @param signal the end of the run */
  constructor(steering: Pick<Steering, 'pause' | 'checkpoint' | 'continue'>, log: Logger, signal: AbortSignal) {
    this.#steering = steering
    this.#log = log
    this.#signal = signal
  }

  /** A checkpoint or a step of the journal could not be written: pauses the run until a checkpoint can be. */
  readonly onFault = (): void => {
    if (this.#isPausing) return
    this.#isPausing = true
    // It rejects when the run ends, or somebody continues it.
    void this.#pause()
      .catch(() => undefined)
      .finally(() => {
        this.#isPausing = false
      })
  }

  async #pause(): Promise<void> {
    this.#log.warn(
      'The run pauses until a checkpoint can be written (--on-disk-fault pause). `convoy continue` goes on without one.',
    )
    let { checkpoint } = await this.#steering.pause()
    while (checkpoint?.failure !== undefined) {
      await delay(RETRY_MS, undefined, { signal: this.#signal, ref: false })
      checkpoint = await this.#steering.checkpoint()
    }
    this.#steering.continue()
  }
}
