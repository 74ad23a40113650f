import type { PhaseReport } from '../metrics/phases.js'
import type { SchedulerLimits } from '../scheduler/limits.js'
import { Scheduler } from '../scheduler/scheduler.js'
import type { Effect, Lease } from '../scheduler/scheduler-events.js'
import type { WorkerState } from '../scheduler/worker-states.js'
import type { LogLines, Refusal } from '../shared/protocol/messages.js'
import type { Rejection } from '../shared/rejection.js'
import { VectorPool } from '../shared/vector-pool.js'
import type { DeviceDescription } from '../tensorflow/engine/engine.js'
import type { GradientSourceStats } from '../training/gradient-source.js'
import type { RunObserver, WorkerIdentity } from '../training/run-events.js'
import type { EarlierWorkers } from './members.js'
import { Members } from './members.js'
import { PoolMetrics } from './pool-metrics.js'
import type { PoolTask } from './pool-task.js'
import { CurrentTask, hashOf } from './pool-task.js'
import { markResult } from './result-marks.js'
import { SchedulerDriver } from './scheduler-driver.js'
import { WaitingWatch } from './waiting-watch.js'
import { WorkerConnections } from './worker-connections.js'
import type { WorkerSnapshot } from './worker-snapshot.js'

export interface WorkerPoolOptions {
  readonly observer: RunObserver
  /** Receives log lines of a worker. */
  readonly onLogs?: (worker: WorkerIdentity, logs: LogLines) => void
  /** Called for each effect of the scheduler, before it is carried out. */
  readonly onEffect?: ((effect: Effect) => void) | undefined
  readonly limits: SchedulerLimits
  readonly maxWorkers: number
  /** Accept workers whose bits may differ. */
  readonly allowMixedDevices: boolean
  /** Workers of earlier coordinators of this run. @default none */
  readonly earlier?: EarlierWorkers | undefined
  /** One lease in this many is computed by two workers and compared; 0: none. */
  readonly auditEvery: number
  /** Workers of this run's own that are starting. @default none */
  readonly starting?: () => number
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Requests a {@link WorkerPool.tick} at this time, instead of the one requested before. Infinity: none. */
  readonly wakeAt: (ms: number) => void
}

/** Workers in these states can compute, now or after a break. */
const CAN_COMPUTE = ['ready', 'busy', 'suspect', 'draining'] as const

/**
 * The workers of a run. Carries messages and vectors between them and the {@link Scheduler}, which decides everything, and reports
 * its decisions to the observer.
 */
export class WorkerPool {
  /** The control streams of the workers. */
  readonly connections: WorkerConnections
  /** Memory of results. The receiver of a sum may give it back. */
  readonly vectors = new VectorPool()
  readonly #options: WorkerPoolOptions
  readonly #members: Members
  readonly #scheduler: Scheduler
  readonly #driver: SchedulerDriver
  readonly #waiting: WaitingWatch
  readonly #metrics = new PoolMetrics()
  #nextTask = 1
  #current: CurrentTask | undefined

  constructor(options: WorkerPoolOptions) {
    this.#options = options
    const { observer, now, wakeAt, starting = () => 0, onLogs = () => undefined } = options
    const members = new Members(options.maxWorkers, options.allowMixedDevices, options.earlier ?? { lastWorkerId: 0 })
    const scheduler = new Scheduler(options.limits, options.auditEvery)
    const carryOut = (effect: Effect): void => {
      options.onEffect?.(effect)
      this.#carryOut(effect)
    }
    const driver = new SchedulerDriver({ scheduler, now, wakeAt, carryOut })
    const waiting = new WaitingWatch({ observer, now, starting })
    this.connections = new WorkerConnections({
      ...{ members, scheduler, driver, observer, onLogs },
      onReady: () => {
        waiting.workerReady()
        this.#metrics.workerReady(this.workerCount)
      },
      onLeft: () => {
        waiting.workerLeft(this.workerCount)
      },
      workerCount: () => this.workerCount,
    })
    this.#members = members
    this.#scheduler = scheduler
    this.#driver = driver
    this.#waiting = waiting
  }

  /** Workers that can compute or do so now. */
  get workerCount(): number {
    return this.#scheduler.count(...CAN_COMPUTE)
  }

  /** See {@link EarlierWorkers}. */
  get deviceFingerprint(): string | undefined {
    return this.#members.deviceFingerprint
  }

  /** Counts and times since the beginning. */
  get stats(): GradientSourceStats {
    return this.#metrics.stats(this.workerCount, this.workerPhases())
  }

  /** For assertions of tests. */
  get leases(): readonly Lease[] {
    return this.#scheduler.leases
  }

  /** For assertions of tests. */
  stateOf(worker: number): WorkerState | undefined {
    return this.#scheduler.stateOf(worker)
  }

  /** All workers that take part, as they are now. */
  workers(): WorkerSnapshot[] {
    return this.#scheduler.workers().map((view) => this.#members.get(view.id).snapshot(view))
  }

  /** Phases of all workers that ever took part, added up. */
  workerPhases(): PhaseReport[] {
    return this.#members.phases()
  }

  /**
   * The all-reduce: computes a vector for every shard on the workers that take part, and sums them in the fixed order.
   * Waits while there is no worker. One task at a time.
   * @returns float32, `[task.vectorLength]`; owned by the caller
   * @throws ConvoyError('training') when some shard fails again and again; the signal's reason when it fires
   */
  async compute(task: PoolTask, signal: AbortSignal): Promise<Float32Array> {
    signal.throwIfAborted()
    const id = this.#nextTask++
    let onAbort: (() => void) | undefined
    try {
      return await new Promise((resolve, reject) => {
        this.#current = new CurrentTask(task, this.vectors, resolve, reject)
        onAbort = () => {
          this.#driver.handle({ kind: 'abandon' })
          reject(signal.reason as Error)
        }
        signal.addEventListener('abort', onAbort, { once: true })
        this.#driver.handle({ kind: 'begin', task: { id, kind: task.work, shards: task.shards } })
      })
    } finally {
      this.#current = undefined
      if (onAbort) signal.removeEventListener('abort', onAbort)
    }
  }

  /** The process of the coordinator computes too, as its first worker. @returns false: other bits than those of the run so far */
  computesHere(device: DeviceDescription): boolean {
    return this.#members.computesHere(device)
  }

  /** The run is paused or computed here, and needs no worker meanwhile; or it goes on. */
  hold(isHeld: boolean): void {
    this.#waiting.hold(isHeld)
  }

  /** The run is over: every worker gets `finish`, also one that joins later. */
  finish(reason: string): void {
    this.#waiting.stop()
    this.connections.finish(reason)
  }

  /** What the result of this lease must be; undefined when the worker does not hold this lease (any more). */
  expected(worker: number, leaseId: number): Pick<PoolTask, 'vectorLength' | 'rounded'> | undefined {
    return this.#scheduler.lease(leaseId, worker) && this.#current?.task
  }

  /**
   * Takes the whole result of a lease.
   * @param vector owned by the pool from here on
   * @param isBorrowed the vector lies in memory that the worker writes over when it has computed its next lease
   * @param bytes in which it came
   * @returns why it is not used, if so
   * @throws ConvoyError('protocol') when there is no such worker (any more)
   */
  result(
    worker: number,
    lease: number,
    vector: Float32Array,
    isBorrowed = false,
    bytes = vector.byteLength,
  ): Refusal | undefined {
    markResult('read', worker)
    if (isBorrowed) this.vectors.borrow(vector)
    const startedMs = this.#options.now()
    this.#members.get(worker).counts.trafficBytes.results += bytes
    const refusal = this.#takeResult(worker, lease, vector, isBorrowed)
    this.#metrics.resultReduced(this.#options.now() - startedMs)
    return refusal
  }

  /** Rejects a result: of a lease that the worker does not hold (any more), or a malformed one, whose shards go to others. */
  reject(worker: number, lease: number, rejection: Rejection): Refusal {
    if (this.#scheduler.lease(lease, worker))
      this.#driver.handle({ kind: 'failed', worker, lease, reason: `result ${rejection.reason}` })
    return this.#reportRejection(worker, lease, rejection)
  }

  /** Lets time pass. Call a few times per second, and when {@link WorkerPoolOptions.wakeAt} requests it. */
  tick(): void {
    this.#driver.handle({ kind: 'tick' })
    this.#waiting.tick(this.workerCount)
  }

  #takeResult(worker: number, lease: number, vector: Float32Array, isBorrowed: boolean): Refusal | undefined {
    if (this.#scheduler.lease(lease, worker) === undefined) {
      this.vectors.give(vector)
      return this.reject(worker, lease, { code: 'stale', reason: 'stale' })
    }
    const rejection = this.#current!.check(vector)
    if (rejection !== undefined) {
      const refusal = this.#reportRejection(worker, lease, rejection)
      this.#driver.handle({ kind: 'bad-result', worker, lease, ...rejection, hash: hashOf(vector) })
      this.vectors.give(vector)
      return refusal
    }
    this.#metrics.leaseReturned(worker, this.#options.now(), this.#scheduler.lease(lease, worker)!.shardCount)
    const hash = this.#scheduler.needsHash(lease) ? { hash: hashOf(vector) } : {}
    this.#current!.arrived(lease, vector, isBorrowed ? worker : undefined)
    this.#driver.handle({ kind: 'good-result', worker, lease, ...hash })
    return undefined
  }

  #carryOut(effect: Effect): void {
    const { observer, now } = this.#options
    switch (effect.kind) {
      case 'grant':
        return this.#grant(effect.lease)
      case 'revoke':
        return this.connections.send(effect.lease.worker, { revoke: { lease: effect.lease.id } })
      case 'count':
        return this.#count(effect.lease)
      case 'discard':
        // A stale result was rejected when it came, and is not kept.
        if (effect.code !== 'stale') this.#current!.discard(effect.lease)
        return
      case 'done':
        return this.#current!.done()
      case 'drop':
        return this.connections.drop(effect.worker, effect.reason)
      case 'goodbye':
        return this.connections.send(effect.worker, { finish: { reason: 'left' } })
      case 'keep':
      case 'state':
        return
      case 'reissue':
        return this.#reissue(effect)
      case 'rescue':
        return observer({ kind: 'rescued', workerId: effect.worker, lateId: effect.late, shards: effect.shards })
      case 'quarantine': {
        const seconds = effect.untilMs === Infinity ? null : (effect.untilMs - now()) / 1000
        return observer({ kind: 'quarantined', name: effect.name, seconds, reason: effect.reason })
      }
      case 'audit':
        return observer({ kind: 'audited', outcome: effect.outcome })
      case 'give-up':
        return this.#current!.giveUp(effect)
    }
  }

  #grant({ id, worker, firstShard: first, shardCount }: Lease): void {
    this.#current!.returnTo(worker)
    if (this.#current!.task.work === 'WORK_GRADIENT') this.#metrics.leaseGranted(worker, this.#options.now())
    const { work, step, split, weightsVersion, firstShard = 0 } = this.#current!.task
    const lease = { lease: id, work, step, split, firstShard: firstShard + first, shardCount, weightsVersion }
    this.connections.send(worker, { lease })
  }

  #count(lease: Lease): void {
    const current = this.#current!
    const member = this.#members.find(lease.worker)
    if (member) member.counts.samples += lease.shardCount * (current.task.trainingSamples ?? 0)
    // The first result that is used decides which bits the run is promised for.
    for (const { identity } of this.#members.counted(lease.worker)) {
      const { id, device } = identity
      this.connections.drop(id, `computes on ${device.name}, whose bits may differ from the first result's`)
    }
    current.count(lease)
  }

  #reissue({ worker, shards, cause, reason }: Extract<Effect, { kind: 'reissue' }>): void {
    this.#metrics.leaseReissued()
    const member = this.#members.find(worker)
    if (member && cause !== 'lost') member.counts.shardsReissued[cause] += shards
    this.#options.observer({ kind: 'reissued', workerId: worker, shards, cause, reason })
  }

  #reportRejection(worker: number, lease: number, { code, reason }: Rejection): Refusal {
    const member = this.#members.get(worker)
    member.counts.resultsRefused++
    this.#options.observer({ kind: 'refused', code, reason, worker: member.identity })
    return { lease, code, reason }
  }
}
