import type { Rejection } from '../shared/rejection.js'
import { createHash } from 'node:crypto'
import type { PhaseReport } from '../metrics/phases.js'
import { phaseMean } from '../metrics/phases.js'
import { ConvoyError } from '../shared/errors.js'
import { bytesOf } from '../shared/protocol/chunks.js'
import type { FromCoordinator, FromWorker, JoinRequest, LogLines, Refusal } from '../shared/protocol/messages.js'
import { MAX_TEXT, shortened } from '../shared/protocol/text-bounds.js'
import { VectorPool } from '../shared/vector-pool.js'
import type { SchedulerLimits } from '../scheduler/limits.js'
import { Scheduler } from '../scheduler/scheduler.js'
import type { Effect, Lease, SchedulerEvent } from '../scheduler/scheduler-events.js'
import type { WorkerState } from '../scheduler/worker-states.js'
import { SliceThreads } from '../training/slices/slice-threads.js'
import type { Member, WorkerConnection, WorkerStatusView } from './membership.js'
import { Membership } from './membership.js'
import type { PoolTask } from './pool-task.js'
import { CurrentTask } from './pool-task.js'
import type { RunObserver, WorkerSummary } from '../training/run-events.js'
import { LEFT_BY_ITSELF } from '../training/run-events.js'

export interface WorkerPoolOptions {
  readonly observer: RunObserver
  /** What a worker logged. */
  readonly onLogs?: (worker: WorkerSummary, logs: LogLines) => void
  /** Sees what the scheduler decided, before it is carried out. */
  readonly onEffect?: ((effect: Effect) => void) | undefined
  readonly limits: SchedulerLimits
  readonly maxWorkers: number
  /** Accept workers whose bits may differ. */
  readonly allowMixedDevices: boolean
  /** One lease in so many is computed by two workers and compared; 0: none. */
  readonly auditEvery: number
  /** Workers of this run's own that are starting. @default none */
  readonly starting?: () => number
  /** @default on this thread alone */
  readonly sliceThreads?: SliceThreads
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Asks for a {@link WorkerPool.tick} at this time, instead of the one that was asked for before. Infinity: none. */
  readonly wakeAt: (ms: number) => void
}

/** Workers load TensorFlow for a few seconds before they join. */
const FIRST_WORKER_MS = 6_000

/** What a worker's computing thread does for each training shard. */
const SHARD_PHASES = ['sample', 'augment', 'forward_backward', 'encode'] as const

interface Arrived {
  readonly worker: number
  readonly lease: number
  readonly vector: Float32Array
  refusal?: Refusal
}

/**
 * The workers of a run. Carries messages and vectors between them and the {@link Scheduler}, which decides everything, and tells
 * the observer what it decided.
 */
export class WorkerPool {
  /** What works on the vectors. */
  readonly sliceThreads: SliceThreads
  /** Results come in these; who is done with a sum may give it back. */
  readonly vectors: VectorPool
  readonly #options: WorkerPoolOptions
  readonly #members: Membership
  readonly #scheduler: Scheduler
  readonly #createdMs: number
  #nextTask = 1
  #current: CurrentTask | undefined
  /** The result that is being looked at. */
  #arrived: Arrived | undefined
  /** Effects in their order: what one of them causes comes after all that were there before. */
  #effects: Effect[] = []
  #isCarryingOut = false
  #finished: string | undefined
  /** Whether the `waiting` event was emitted since the last worker went, and for which reason. */
  #waiting: 'starting' | 'none' | undefined
  #wakeMs = Infinity
  #reissued = 0
  #reduceMs = 0
  #results = 0
  #peakWorkers = 0

  constructor(options: WorkerPoolOptions) {
    this.#options = options
    this.sliceThreads = options.sliceThreads ?? new SliceThreads({ threads: 0 })
    this.vectors = new VectorPool((length) => this.sliceThreads.allocate(length))
    this.#members = new Membership(options.maxWorkers, options.allowMixedDevices)
    this.#scheduler = new Scheduler(options.limits, options.auditEvery)
    this.#createdMs = options.now()
  }

  /** Workers that can compute or do so now. */
  get workerCount(): number {
    return this.#scheduler.count('ready', 'busy', 'suspect', 'draining')
  }

  /** Leases given again because a worker died, left or failed. */
  get reissued(): number {
    return this.#reissued
  }

  /** Most workers that were ready at the same time. */
  get peakWorkers(): number {
    return this.#peakWorkers
  }

  /** For assertions of tests. */
  get leases(): readonly Lease[] {
    return this.#scheduler.leases
  }

  stateOf(worker: number): WorkerState | undefined {
    return this.#scheduler.stateOf(worker)
  }

  statuses(): WorkerStatusView[] {
    return this.#scheduler.workers().map((worker) => this.#members.get(worker.id).view(worker))
  }

  /** Phases of all workers that ever took part, added up. */
  workerPhases(): PhaseReport[] {
    return this.#members.phases()
  }

  /** Time of a worker's computing thread per training shard: the mean. 0: never measured. */
  get shardMs(): number {
    const means = new Map(this.workerPhases().map((report) => [report.phase, phaseMean(report)]))
    if (!means.get('forward_backward')?.times) return 0
    return 1000 * SHARD_PHASES.reduce((sum, phase) => sum + (means.get(phase)?.meanSeconds ?? 0), 0)
  }

  /** Time spent on checking and adding a result: the mean. 0: never measured. */
  get resultMs(): number {
    return this.#results > 0 ? this.#reduceMs / this.#results : 0
  }

  /** Time spent on checking and adding results, since the beginning. */
  get reduceMs(): number {
    return this.#reduceMs
  }

  /**
   * The all-reduce: computes a vector for every shard on whichever workers there are, and sums them in the fixed order.
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
        this.#current = new CurrentTask(task, this.vectors, this.sliceThreads, resolve, reject)
        onAbort = () => {
          this.#handle({ kind: 'abandon' })
          reject(signal.reason as Error)
        }
        signal.addEventListener('abort', onAbort, { once: true })
        this.#handle({ kind: 'begin', task: { id, kind: task.work, shards: task.shards } })
      })
    } finally {
      this.#current = undefined
      if (onAbort) signal.removeEventListener('abort', onAbort)
    }
  }

  /** No more work: every worker is told to go home, now and when it joins later. */
  finish(reason: string): void {
    this.#finished = reason
    for (const member of this.#members.all) member.connection?.send({ finish: { reason } })
  }

  /** A worker asks to take part. @throws what {@link Membership.admit} throws */
  join(request: JoinRequest): { worker: number; session: string } {
    const { summary, secret, applicant } = this.#members.admit(request, (id, reason) => {
      this.drop(id, reason)
    })
    const machine = `${applicant.host} ${applicant.device.name}`
    this.#handle({ kind: 'joined', worker: summary.id, name: summary.name, machine })
    return { worker: summary.id, session: secret.hex }
  }

  /** True when `session` is what this worker got at join. Constant time. */
  authenticate(worker: number, session: string): boolean {
    return this.#members.find(worker)?.secret.matches(session) ?? false
  }

  /** A call of this worker came over the connection from `peer`. */
  calledFrom(worker: number, peer: string): void {
    this.#members.calledFrom(worker, peer)
  }

  /** Whether a connection is one of a worker that takes part. */
  isCaller(peer: string): boolean {
    return this.#members.isCaller(peer)
  }

  /** The worker opened its control stream. @throws what {@link Membership.take} throws */
  connect(worker: number, connection: WorkerConnection): void {
    this.#members.take(worker, connection)
    this.#handle({ kind: 'connected', worker })
    if (this.#finished !== undefined) connection.send({ finish: { reason: this.#finished } })
  }

  /**
   * The control stream broke, ended or was dropped. Safe to call more than once.
   * @param isOwnFault the coordinator's own trouble, which does not count against the worker
   */
  disconnect(worker: number, reason: string, isOwnFault = false): void {
    const member = this.#members.find(worker)
    if (member === undefined) return
    const why = this.#scheduler.stateOf(worker) === 'draining' ? LEFT_BY_ITSELF : reason
    this.#members.remove(member)
    this.#handle({ kind: 'gone', worker, reason: why, isOwnFault }, () => {
      // After the run everybody goes; that is no news.
      if (!member.wasReady || this.#finished !== undefined) return
      const { summary, samples } = member
      this.#options.observer({ kind: 'worker-left', worker: summary, reason: why, workers: this.workerCount, samples })
    })
    if (member.wasReady) this.#sayWaiting()
  }

  /** @throws ConvoyError('protocol') for a message that makes no sense now */
  receive(worker: number, message: FromWorker): void {
    const member = this.#members.get(worker)
    if (message.ready) {
      this.#handle({ kind: 'ready', worker }, () => {
        this.#welcome(member)
      })
    } else if (message.heartbeat) {
      member.heard(message.heartbeat)
      this.#handle({ kind: 'heartbeat', worker, shardsDone: member.report.shardsDone })
    } else if (message.failed) {
      const { lease, reason } = message.failed
      this.#handle({ kind: 'failed', worker, lease, reason: shortened(reason, MAX_TEXT.reason) })
    } else if (message.logs) {
      this.#options.onLogs?.(member.summary, message.logs)
    } else if (message.leaving) {
      this.#handle({ kind: 'draining', worker })
    } else {
      throw new ConvoyError('protocol', `Worker ${worker} sent an empty or unknown message.`)
    }
  }

  /** Floats that the result of this lease must have; undefined when the lease is not this worker's (any more). */
  expectedLength(worker: number, leaseId: number): number | undefined {
    return this.#scheduler.lease(leaseId, worker) && this.#current?.task.vectorLength
  }

  /**
   * The result of a lease has come, whole.
   * @param vector owned by the pool from here on
   * @returns why it does not count, if so
   */
  result(worker: number, lease: number, vector: Float32Array): Refusal | undefined {
    const startedMs = this.#options.now()
    const isCurrent = this.#scheduler.lease(lease, worker) !== undefined
    this.#members.get(worker).bytes.results += vector.byteLength
    const arrived: Arrived = { worker, lease, vector }
    this.#arrived = arrived
    const bad = isCurrent ? this.sliceThreads.firstBadValue(vector) : -1
    if (bad >= 0) {
      const value = vector[bad]!
      const where = this.#current!.task.describeIndex(bad)
      const rejection: Rejection = Number.isFinite(value)
        ? { code: 'absurd', reason: `absurd (${value}) in ${where}` }
        : { code: 'not_finite', reason: `not finite in ${where}` }
      this.#refuse(worker, lease, rejection)
      this.#handle({ kind: 'bad-result', worker, lease, ...rejection, hash: hashOf(vector) })
      this.vectors.give(vector)
    } else {
      const hash = this.#scheduler.needsHash(lease) ? { hash: hashOf(vector) } : {}
      this.#handle({ kind: 'good-result', worker, lease, ...hash })
    }
    this.#arrived = undefined
    this.#reduceMs += this.#options.now() - startedMs
    this.#results++
    return arrived.refusal
  }

  /** Bytes went to this worker over the network. */
  sent(worker: number, kind: 'weights' | 'samples', bytes: number): void {
    const member = this.#members.find(worker)
    if (member) member.bytes[kind] += bytes
  }

  /** A result of a lease that is nobody's any more; or one that was malformed, whose shards go to others. */
  refuse(worker: number, lease: number, rejection: Rejection): Refusal {
    if (this.#scheduler.lease(lease, worker))
      this.#handle({ kind: 'failed', worker, lease, reason: `result ${rejection.reason}` })
    return this.#refuse(worker, lease, rejection)
  }

  /** Closes the worker's control stream and gives its shards to others. The worker may join again. */
  drop(worker: number, reason: string, isOwnFault = false): void {
    const member = this.#members.find(worker)
    this.disconnect(worker, reason, isOwnFault)
    member?.connection?.drop(reason)
  }

  /** Lets time pass. Call a few times per second, and when {@link WorkerPoolOptions.wakeAt} asks for it. */
  tick(): void {
    this.#handle({ kind: 'tick' })
    if (this.workerCount > 0) this.#waiting = undefined
    else if (this.#options.now() - this.#createdMs > FIRST_WORKER_MS) this.#sayWaiting()
  }

  /** @param then runs before the effects do: people hear of the cause first */
  #handle(event: SchedulerEvent, then: () => void = () => undefined): void {
    const effects = this.#scheduler.handle(this.#options.now(), event)
    then()
    this.#effects.push(...effects)
    if (this.#isCarryingOut) return
    this.#isCarryingOut = true
    try {
      for (let effect; (effect = this.#effects.shift()) !== undefined;) this.#carryOut(effect)
    } finally {
      this.#isCarryingOut = false
    }
    const { wakeMs } = this.#scheduler
    if (wakeMs === this.#wakeMs) return
    this.#wakeMs = wakeMs
    this.#options.wakeAt(wakeMs)
  }

  #carryOut(effect: Effect): void {
    const { observer } = this.#options
    this.#options.onEffect?.(effect)
    switch (effect.kind) {
      case 'grant':
        return this.#grant(effect.lease)
      case 'revoke':
        return this.#send(effect.lease.worker, { revoke: { lease: effect.lease.id } })
      case 'count':
        this.#credit(effect.lease)
        this.#dropOthers(effect.lease)
        return this.#current!.count(effect.lease, this.#arrived?.vector)
      case 'keep':
        return this.#current!.keep(effect.lease.id, this.#arrived!.vector)
      case 'discard':
        return this.#discard(effect.lease, effect.code)
      case 'done':
        return this.#current!.done()
      case 'drop':
        return this.drop(effect.worker, effect.reason)
      case 'goodbye':
        return this.#send(effect.worker, { finish: { reason: 'left' } })
      case 'state':
        return
      case 'reissue':
        this.#reissued++
        return this.#reissue(effect)
      case 'rescue':
        return observer({ kind: 'rescued', workerId: effect.worker, lateId: effect.late, shards: effect.shards })
      case 'quarantine': {
        const seconds = effect.untilMs === Infinity ? null : (effect.untilMs - this.#options.now()) / 1000
        return observer({ kind: 'quarantined', name: effect.name, seconds, reason: effect.reason })
      }
      case 'audit':
        return observer({ kind: 'audited', outcome: effect.outcome })
      case 'give-up':
        return this.#current!.giveUp(effect)
    }
  }

  #grant({ id, worker, firstShard, shardCount }: Lease): void {
    const { work, step, split, weightsVersion } = this.#current!.task
    this.#send(worker, { lease: { lease: id, work, step, split, firstShard, shardCount, weightsVersion } })
  }

  /** To a worker that may be gone or not be there yet. */
  #send(worker: number, message: FromCoordinator): void {
    this.#members.find(worker)?.connection?.send(message)
  }

  #discard(lease: number, code: 'stale' | 'audited' | 'abandoned'): void {
    if (this.#current?.discard(lease) || this.#arrived?.lease !== lease) return
    this.#refuse(this.#arrived.worker, lease, { code, reason: code })
    this.vectors.give(this.#arrived.vector)
  }

  #refuse(worker: number, lease: number, { code, reason }: Rejection): Refusal {
    const member = this.#members.get(worker)
    member.refused++
    this.#options.observer({ kind: 'refused', code, reason, worker: member.summary })
    const refusal = { lease, code, reason }
    if (this.#arrived?.lease === lease) this.#arrived.refusal = refusal
    return refusal
  }

  #reissue({ worker, shards, cause, reason }: Extract<Effect, { kind: 'reissue' }>): void {
    const member = this.#members.find(worker)
    if (member && cause !== 'lost') member.reissued[cause] += shards
    this.#options.observer({ kind: 'reissued', workerId: worker, shards, cause, reason })
  }

  #credit({ worker, shardCount }: Lease): void {
    const member = this.#members.find(worker)
    if (member) member.samples += shardCount * (this.#current!.task.trainingSamples ?? 0)
  }

  /** The first result that counts decides which bits the run is promised for. */
  #dropOthers({ worker }: Lease): void {
    for (const { summary, applicant } of this.#members.counted(worker)) {
      this.drop(summary.id, `computes on ${applicant.device.name}, whose bits may differ from the first result's`)
    }
  }

  #welcome(member: Member): void {
    member.wasReady = true
    this.#waiting = undefined
    this.#peakWorkers = Math.max(this.#peakWorkers, this.workerCount)
    this.#options.observer({ kind: 'worker-joined', worker: member.summary, workers: this.workerCount })
  }

  /** Emits `waiting` once each time that the last worker goes, and when none has come after a while: first for those that start. */
  #sayWaiting(): void {
    if (this.workerCount > 0 || this.#finished !== undefined || this.#waiting === 'none') return
    const starting = this.#peakWorkers === 0 ? (this.#options.starting?.() ?? 0) : 0
    if (starting > 0 && this.#waiting === 'starting') return
    this.#waiting = starting > 0 ? 'starting' : 'none'
    this.#options.observer({ kind: 'waiting', ...(starting > 0 && { starting }) })
  }
}

function hashOf(vector: Float32Array): string {
  return createHash('sha256').update(bytesOf(vector)).digest('hex')
}
