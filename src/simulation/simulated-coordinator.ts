import type { SchedulerLimits } from '../scheduler/limits.js'
import type { Effect } from '../scheduler/scheduler-events.js'
import { PoolGradientSource } from '../coordinator/pool-gradient-source.js'
import type { RunObserver } from '../training/run-events.js'
import type { TrainerHooks } from '../training/trainer-options.js'
import type { TrainingState } from '../training/training-state.js'
import type { TrainingOutcome } from '../training/trainer.js'
import { Trainer } from '../training/trainer.js'
import { WorkerPool } from '../coordinator/worker-pool.js'
import type { Split } from '../data/dataset.js'
import type { RunDescription } from '../model/run-description.js'
import { ConvoyError } from '../shared/errors.js'
import type { SimulatedServer } from './simulated-server.js'
import { RecordedWeights, wakeTimer } from './simulated-server.js'
import type { VirtualTime } from './virtual-time.js'

export interface SimulatedCoordinatorOptions {
  readonly time: VirtualTime
  readonly description: RunDescription
  readonly split: Split
  readonly limits: SchedulerLimits
  readonly auditEvery: number
  /** How often it looks for workers that fell silent. @default {@link TICK_MS} */
  readonly tickMs?: number
  readonly observer: RunObserver
  /** Sees what the scheduler decides, before it is carried out. */
  readonly onEffect?: (effect: Effect) => void
  /** Where the run goes on; undefined: it begins. */
  readonly state?: TrainingState | undefined
  readonly hooks?: TrainerHooks
}

/** As real ones. */
const TICK_MS = 250

/** A coordinator process: the real pool, scheduler, training loop, reduction and optimizer, with time and wire simulated. */
export class SimulatedCoordinator implements SimulatedServer {
  readonly pool: WorkerPool
  readonly #options: SimulatedCoordinatorOptions
  readonly #abort = new AbortController()
  readonly #weights = new RecordedWeights()
  #isAlive = true
  #pausedUntilMs = 0

  constructor(options: SimulatedCoordinatorOptions) {
    this.#options = options
    const { time, limits, auditEvery, observer, onEffect, tickMs = TICK_MS } = options
    this.pool = new WorkerPool({
      ...{ observer, limits, auditEvery, maxWorkers: 4096, allowMixedDevices: false, now: () => time.nowMs },
      onEffect,
      wakeAt: wakeTimer(time, () => {
        this.deliver(() => {
          this.pool.tick()
        })
      }),
    })
    const tick = (): void => {
      if (!this.#isAlive) return
      this.deliver(() => {
        this.pool.tick()
      })
      time.after(tickMs, tick)
    }
    tick()
  }

  /** Whether a lease is out. */
  get isBusy(): boolean {
    return this.pool.leases.length > 0
  }

  get publishedWeights(): SimulatedServer['publishedWeights'] {
    return this.#weights.published
  }

  async train(): Promise<TrainingOutcome> {
    const { time, description, split, observer, state, hooks } = this.#options
    const trainer = new Trainer({
      ...{ description, observer, state, hooks, signal: this.#abort.signal },
      gradients: new PoolGradientSource(this.pool, this.#weights, description, split),
      splitSizes: { train: split.train.length, validation: split.validation.length, test: split.test.length },
      stopSignal: new AbortController().signal,
      now: () => time.nowMs,
    })
    return trainer.train()
  }

  /** A message arrives: it is handled once the process runs. */
  deliver(run: () => void): void {
    if (!this.#isAlive) return
    const { time } = this.#options
    if (this.#pausedUntilMs <= time.nowMs) run()
    else
      time.at(this.#pausedUntilMs, () => {
        this.deliver(run)
      })
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
