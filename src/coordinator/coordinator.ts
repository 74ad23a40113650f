import { memoryShortage } from '../model/memory-need.js'
import type { RunDescription } from '../model/run-description.js'
import { ConvoyError } from '../shared/errors.js'
import type { LogLevel } from '../shared/log/log-levels.js'
import type { Log, Logger } from '../shared/log/log.js'
import type { PhaseReport } from '../metrics/phases.js'
import { adminActions } from './admin-actions.js'
import type { ListenAddresses } from './address-problems.js'
import { addressProblems } from './address-problems.js'
import { DEFAULT_LIMITS } from '../scheduler/limits.js'
import { isOver } from '../scheduler/run-states.js'
import type { OwnCompute } from '../training/own-compute.js'
import type { TrainingState } from '../training/training-state.js'
import type { EarlierWorkers } from './members.js'
import type { Gradients } from './open-gradients.js'
import { openGradients } from './open-gradients.js'
import type { PlannedRun } from './plan-run.js'
import type { RunObserver } from '../training/run-events.js'
import type { RunSummary } from '../reporting/run-progress.js'
import { RunProgress } from '../reporting/run-progress.js'
import { runNameOf } from '../reporting/run-identity.js'
import type { CallObserver } from './services/time-calls.js'
import type { TrafficCount } from './traffic.js'
import type { TrainerHooks } from '../training/trainer-options.js'
import type { TrainingOutcome } from '../training/trainer.js'
import { Trainer } from '../training/trainer.js'
import { VectorExchange } from './vector-exchange.js'
import { WakeTimer } from './wake-timer.js'
import { RunServer } from './run-server.js'
import { sayGoodbye } from './say-goodbye.js'
import { statusReply } from './status-reply.js'
import type { SavingHooks } from './steering.js'
import { Steering } from './steering.js'
import type { WorkerSnapshot } from './worker-snapshot.js'
import { WorkerLogs } from './worker-logs.js'
import { WorkerPool } from './worker-pool.js'

/** What an earlier coordinator of the run left. */
export interface EarlierRun extends EarlierWorkers {
  readonly state: TrainingState
  /** Steps in the checkpoint that the state is from; undefined: the run begins, with weights of another one. */
  readonly checkpointStep: number | undefined
}

export interface CoordinatorOptions extends ListenAddresses {
  readonly run: PlannedRun
  /** The run goes on from here. @default it begins */
  readonly earlier?: EarlierRun | undefined
  readonly maxWorkers: number
  readonly allowMixedDevices: boolean
  /** One lease in this many is computed by two workers and compared; 0: none. */
  readonly auditEvery: number
  readonly observer: RunObserver
  /** Updated before the observer is called. @default one of its own */
  readonly progress?: RunProgress
  /** Called after each gRPC call. */
  readonly onCall?: CallObserver
  readonly log: Log
  /** Least urgent level of log lines that workers send. */
  readonly workerLogLevel: LogLevel
  readonly signal: AbortSignal
  readonly hooks?: Pick<TrainerHooks, 'onEpoch' | 'beforeStep'>
  readonly runDirectory: string
  /** See WorkerPoolOptions. */
  readonly startingWorkers?: () => number
}

const TICK_MS = 250

/** The coordinator of one run. It listens from its start; nothing is computed before {@link Coordinator.train}. */
export class Coordinator {
  readonly description: RunDescription
  /** Where the data set came from, for messages; workers do not learn it. */
  readonly datasetFrom: string
  readonly #options: CoordinatorOptions
  readonly #log: Logger
  readonly #progress: RunProgress
  /** Fires when the run must end after the step in work. */
  readonly #stop = new AbortController()
  /** Pauses, continues and saves the run between its steps. */
  readonly steering: Steering
  readonly #exchange: VectorExchange
  readonly #workerLogs: WorkerLogs
  readonly #wake: WakeTimer
  readonly #pool: WorkerPool
  readonly #server: RunServer
  #ticker: NodeJS.Timeout | undefined
  #gradients: Gradients | undefined

  private constructor(options: CoordinatorOptions) {
    const { log, run, workerLogLevel } = options
    this.#options = options
    this.#progress = options.progress ?? new RunProgress()
    this.#log = log.module('run')
    this.description = run.description
    this.datasetFrom = run.datasetFrom
    this.#exchange = new VectorExchange(this.#log)
    this.#workerLogs = new WorkerLogs(log, workerLogLevel, Date.now)
    this.#wake = new WakeTimer(now, () => {
      this.#pool.tick()
    })
    this.#pool = this.#createPool()
    this.steering = new Steering({
      ...{ observer: this.#observe, signal: options.signal, stopSignal: this.#stop.signal, now },
      onHold: (isHeld) => {
        this.#pool.hold(isHeld || this.#gradients?.computesHere() === true)
      },
    })
    this.#server = this.#createServer()
  }

  /**
   * Begins to listen.
   * @throws ConvoyError('usage') for addresses that cannot be bound or would expose the run
   */
  static async start(options: CoordinatorOptions): Promise<Coordinator> {
    const problems = addressProblems(options)
    if (problems.length > 0) throw new ConvoyError('usage', problems)
    const coordinator = new Coordinator(options)
    try {
      await coordinator.#open()
    } catch (error) {
      coordinator.#release()
      throw error
    }
    return coordinator
  }

  /** Where workers join. */
  get address(): string {
    return this.#server.address
  }

  get adminAddress(): string {
    return this.#server.adminAddress
  }

  /** Workers that can compute or do so now. */
  get workerCount(): number {
    return this.#pool.workerCount + (this.#gradients?.computesHere() ? 1 : 0)
  }

  /** State, step, rate and time left. */
  progress(): RunSummary {
    return this.#progress.summary
  }

  /** The weights now, float32 `[layout.weightCount]`; empty before the run begins. The run goes on in this memory: copy it. */
  weights(): Float32Array {
    return this.#exchange.weights.weights
  }

  /** Of the device whose results are used; undefined: none was yet. */
  get deviceFingerprint(): string | undefined {
    return this.#pool.deviceFingerprint
  }

  workers(): WorkerSnapshot[] {
    return this.#pool.workers()
  }

  /** Phases of all workers that ever took part, added up. */
  workerPhases(): PhaseReport[] {
    return this.#pool.workerPhases().concat(this.#gradients?.phases() ?? [])
  }

  traffic(): TrafficCount[] {
    return this.#exchange.traffic.counts()
  }

  /** Why no worker is accepted any more, in one line; undefined while workers are accepted. */
  notReady(): string | undefined {
    const { state } = this.#progress.summary
    if (isOver(state)) return `the run is over: ${state}`
    const isEnding = this.#stop.signal.aborted || this.#options.signal.aborted
    return isEnding ? 'the run is ending: it was asked to stop' : undefined
  }

  /** The whole run. Workers may join and leave meanwhile. @param options `compute`: in this process at first @throws as {@link Trainer.train} */
  async train({
    compute,
    ...saving
  }: SavingHooks & { readonly compute?: OwnCompute | undefined } = {}): Promise<TrainingOutcome> {
    const { run, earlier, signal, hooks } = this.#options
    const { description, datasetFrom, split } = run
    this.#warnAtStart()
    const parts = { pool: this.#pool, weights: this.#exchange.weights, log: this.#log }
    this.#gradients = await openGradients(run, compute, parts)
    const trainer = new Trainer({
      description,
      datasetFrom,
      splitSizes: { train: split.train.length, validation: split.validation.length, test: split.test.length },
      gradients: this.#gradients.source,
      ...(earlier && { state: earlier.state, checkpointStep: earlier.checkpointStep }),
      observer: this.#observe,
      hooks: { ...hooks, ...this.steering.hooks(saving) },
      signal,
      stopSignal: this.#stop.signal,
      soon: setImmediate,
      now,
    })
    trainer.state.weights = this.#exchange.weights.place(trainer.state.weights)
    try {
      return await trainer.train()
    } catch (error) {
      this.#progress.endWithoutResult(ConvoyError.from(error).code === 'interrupted' ? 'stopped' : 'failed')
      throw error
    } finally {
      this.steering.end()
    }
  }

  /** Sends `finish` to the workers, and closes every listener. */
  async close(): Promise<void> {
    await sayGoodbye(this.#pool, 'the run is over')
    this.#release()
  }

  readonly #observe: RunObserver = (event) => {
    const { signal, observer } = this.#options
    // A Ctrl-C on a terminal ends the own workers too: the run does not wait for others.
    if (event.kind === 'waiting' && signal.aborted) return
    this.#progress.observe(event)
    observer(event)
  }

  #createPool(): WorkerPool {
    const { auditEvery, maxWorkers, allowMixedDevices, earlier, startingWorkers, log } = this.#options
    const scheduler = log.module('scheduler')
    return new WorkerPool({
      ...{ auditEvery, maxWorkers, allowMixedDevices, earlier, now, limits: DEFAULT_LIMITS },
      starting: startingWorkers ?? (() => 0),
      observer: this.#observe,
      onEffect: ({ kind, ...details }) => {
        scheduler.debug(kind, details)
      },
      onLogs: (worker, logs) => {
        this.#workerLogs.receive(worker, logs)
      },
      wakeAt: (ms) => {
        this.#wake.set(ms)
      },
    })
  }

  #createServer(): RunServer {
    const { onCall, runDirectory } = this.#options
    const { description } = this
    return new RunServer({
      ...{ addresses: this.#options, pool: this.#pool, exchange: this.#exchange, onCall, log: this.#log },
      description,
      run: { run: JSON.stringify(description), runName: runNameOf(runDirectory), logLevel: this.#workerLogs.level },
      admin: adminActions({
        ...{ pool: this.#pool, steering: this.steering, log: this.#log },
        status: () => statusReply(this.progress(), runDirectory, this.workers()),
        stop: () => {
          this.#stop.abort()
        },
      }),
      health: () => ({ accepts: this.notReady() === undefined, computes: this.workerCount > 0 }),
    })
  }

  async #open(): Promise<void> {
    await this.#server.listen()
    this.#ticker = setInterval(() => {
      this.#pool.tick()
      this.#server.updateHealth()
    }, TICK_MS)
  }

  #warnAtStart(): void {
    const { run, startingWorkers } = this.#options
    for (const warning of run.warnings) this.#log.warn(warning)
    const workers = startingWorkers?.() ?? 0
    const shortage = workers > 0 ? memoryShortage(workers, run.workerBytes) : undefined
    if (shortage) this.#log.warn(`${shortage.found}: workers will be killed. To run, ${shortage.remedy}.`)
  }

  #release(): void {
    clearInterval(this.#ticker)
    this.#wake.set(Infinity)
    this.#server.close()
    this.#exchange.close()
  }
}

function now(): number {
  return performance.now()
}
