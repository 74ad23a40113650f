import { carryOutOrder } from '../durability/carry-out-order.js'
import type { CheckpointOrder, CheckpointWriter, RunFacts } from '../durability/checkpoint-thread.js'
import type { DiskProcess } from './disk/disk-process.js'
import type { SeededDraws } from './seeded-draws.js'
import type { VirtualTime } from './virtual-time.js'

export interface CheckpointWriterOptions {
  readonly facts: RunFacts
  readonly process: DiskProcess
  readonly time: VirtualTime
  readonly draws: SeededDraws
  /** How long a checkpoint takes. */
  readonly checkpointMs: number
  /** Called when a checkpoint is written or has failed. */
  readonly onAnswer: () => void
}

/** The thread that writes checkpoints, in virtual time. Its calls come all at once, at some moment of the time that they take. */
export class SimulatedCheckpointWriter implements CheckpointWriter {
  readonly #options: CheckpointWriterOptions

  constructor(options: CheckpointWriterOptions) {
    this.#options = options
  }

  async write(order: CheckpointOrder): Promise<number> {
    const { facts, process, time, draws, checkpointMs, onAnswer } = this.#options
    const callsMs = draws.between(0, checkpointMs)
    return new Promise((resolve, reject) => {
      const settle = (answer: () => void): void => {
        time.after(checkpointMs - callsMs, () => {
          if (!process.isAlive) return
          onAnswer()
          answer()
        })
      }
      time.after(callsMs, () => {
        try {
          const bytes = carryOutOrder(order, facts, new Date(0).toISOString(), process)
          settle(() => {
            resolve(bytes)
          })
        } catch (error) {
          settle(() => {
            reject(error as Error)
          })
        }
      })
    })
  }

  async close(): Promise<void> {
    return Promise.resolve()
  }
}
