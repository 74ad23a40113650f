import type { SchedulerLimits } from '../scheduler/limits.js'
import type { Effect } from '../scheduler/scheduler-events.js'
import { PoolGradientSource } from '../coordinator/pool-gradient-source.js'
import type { RunObserver } from '../training/run-events.js'
import type { TrainerHooks } from '../training/trainer-options.js'
import type { TrainingState } from '../training/training-state.js'
import type { TrainingOutcome } from '../training/trainer.js'
import { Trainer } from '../training/trainer.js'
import { WeightsStore } from '../coordinator/weights-store.js'
import { WorkerPool } from '../coordinator/worker-pool.js'
import type { Split } from '../data/dataset.js'
import type { RunDescription } from '../model/run-description.js'
import { ConvoyError } from '../shared/errors.js'
import type { VirtualTime } from './virtual-time.js'

export interface SimulatedCoordinatorOptions {
  readonly time: VirtualTime
  readonly description: RunDescription
  readonly split: Split
  readonly limits: SchedulerLimits
  readonly auditEvery: number
  readonly observer: RunObserver
  /** Sees what the scheduler decides, before it is carried out. */
  readonly onEffect?: (effect: Effect) => void
  /** Time that the coordinator itself needs for a result. */
  readonly resultMs: number
  /** Where the run goes on; undefined: it begins. */
  readonly state?: TrainingState | undefined
  readonly hooks?: TrainerHooks
}

const TICK_MS = 250

/** A coordinator process: the real pool, scheduler, training loop, reduction and optimizer, with time and wire simulated. */
export class SimulatedCoordinator {
  readonly pool: WorkerPool
  readonly #options: SimulatedCoordinatorOptions
  readonly #abort = new AbortController()
  readonly #published: { version: number; values: Float32Array } = { version: 0, values: new Float32Array(0) }
  #isAlive = true
  #pausedUntilMs = 0
  #freeMs = 0

  constructor(options: SimulatedCoordinatorOptions) {
    this.#options = options
    const { time, limits, auditEvery, observer, onEffect } = options
    this.pool = new WorkerPool({
      ...{ observer, limits, auditEvery, maxWorkers: 4096, allowMixedDevices: false, now: () => time.nowMs },
      onEffect,
      wakeAt: (ms) => {
        if (ms === Infinity) return
        time.at(ms, () => {
          this.deliver(() => {
            this.pool.tick()
          })
        })
      },
    })
    const tick = (): void => {
      if (!this.#isAlive) return
      this.deliver(() => {
        this.pool.tick()
      })
      time.after(TICK_MS, tick)
    }
    tick()
  }

  get publishedWeights(): { readonly version: number; readonly values: Float32Array } {
    return this.#published
  }

  async train(): Promise<TrainingOutcome> {
    const { time, description, split, observer, state, hooks } = this.#options
    const published = this.#published
    class Store extends WeightsStore {
      override publish(weights: Float32Array): number {
        published.values = weights.slice()
        return (published.version = super.publish(weights))
      }
    }
    const trainer = new Trainer({
      ...{ description, observer, state, hooks, signal: this.#abort.signal },
      gradients: new PoolGradientSource(this.pool, new Store(), description, split),
      splitSizes: { train: split.train.length, validation: split.validation.length, test: split.test.length },
      stopSignal: new AbortController().signal,
      now: () => time.nowMs,
    })
    return trainer.train()
  }

  /** A message arrives: it is handled after those before it, once the process runs. */
  deliver(run: () => void): void {
    if (!this.#isAlive) return
    const { time } = this.#options
    const readyMs = Math.max(this.#pausedUntilMs, this.#freeMs)
    if (readyMs <= time.nowMs) run()
    else
      time.at(readyMs, () => {
        this.deliver(run)
      })
  }

  /** A result arrives: the thread is busy with it first. */
  deliverResult(run: () => void): void {
    this.deliver(() => {
      this.work(this.#options.resultMs)
      this.deliver(run)
    })
  }

  /** The thread is busy for this time. */
  work(forMs: number): void {
    this.#freeMs = Math.max(this.#freeMs, this.#options.time.nowMs) + forMs
  }

  /**
   * The sender of an invalid message loses its membership, as in the gRPC services.
   * @returns whether the message was valid
   */
  guard(worker: number, run: () => void): boolean {
    try {
      run()
      return true
    } catch (thrown) {
      const error = ConvoyError.from(thrown)
      if (error.code !== 'protocol') throw error
      this.pool.connections.drop(worker, 'sent a message that makes no sense')
      return false
    }
  }

  /** SIGSTOP and, after a while, SIGCONT. */
  pause(forMs: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#options.time.nowMs + forMs)
  }

  /** SIGKILL. */
  kill(): void {
    this.#isAlive = false
    this.#abort.abort(new ConvoyError('interrupted', 'killed'))
  }
}
