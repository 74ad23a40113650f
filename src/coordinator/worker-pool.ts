import { createHash } from 'node:crypto'
import type { SplitName } from '../data/dataset.js'
import { ConvoyError } from '../shared/errors.js'
import { bytesOf } from '../shared/protocol/chunks.js'
import type { FromCoordinator, FromWorker, JoinRequest, Refusal, Work } from '../shared/protocol/messages.js'
import { ReductionTree } from '../shared/reduction-tree.js'
import { VectorPool } from '../shared/vector-pool.js'
import type { Applicant } from './admission.js'
import { Admission, SessionSecret } from './admission.js'
import type { SchedulerLimits } from './core/limits.js'
import type { Effect, Lease, SchedulerEvent } from './core/scheduler-events.js'
import type { WorkerView } from './core/worker-table.js'
import { Scheduler } from './core/scheduler.js'
import { firstBadValue } from './first-bad-value.js'
import type { WorkerState } from './core/worker-states.js'
import type { RunObserver, WorkerSummary } from './run-events.js'

/** Something that all workers compute together: the sum of one vector per shard. */
export interface PoolTask {
  readonly work: Work
  /** WORK_GRADIENT: the step, from 0. */
  readonly step: number
  /** WORK_EVALUATE: the split. */
  readonly split: SplitName
  readonly shards: number
  /** Floats in a shard's vector and in the sum. */
  readonly vectorLength: number
  readonly weightsVersion: number
  /** For people: what the vector holds at this index, such as `the gradient of stage1/kernel`. */
  readonly describeIndex: (index: number) => string
  /** For people: what these shards are, such as `step 12, samples 5, 17 and 30`. */
  readonly describeShards: (first: number, count: number) => string
  /** Called with the number of shards that are counted, whenever it has grown. */
  readonly onProgress?: (shards: number) => void
}

/** The control stream to one worker, as the pool needs it. */
export interface WorkerConnection {
  send(message: FromCoordinator): void
  /** Closes the stream at once, without waiting for the worker. */
  drop(reason: string): void
}

export interface WorkerPoolOptions {
  readonly observer: RunObserver
  readonly limits: SchedulerLimits
  readonly maxWorkers: number
  /** Accept workers whose bits may differ. */
  readonly allowMixedDevices: boolean
  /** One lease in so many is computed by two workers and compared; 0: none. */
  readonly auditEvery: number
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Asks for a {@link WorkerPool.tick} at this time, instead of the one that was asked for before. Infinity: none. */
  readonly wakeAt: (ms: number) => void
}

/** Workers load TensorFlow for a few seconds before they join. */
const FIRST_WORKER_MS = 6_000

interface Member {
  readonly applicant: Applicant
  readonly summary: WorkerSummary
  readonly secret: SessionSecret
  connection: WorkerConnection | undefined
  /** It was ready once: people were told that it joined. */
  wasReady: boolean
  shardsDone: number
  residentBytes: number
  tensors: number
}

export type WorkerStatusView = WorkerSummary &
  Pick<WorkerView, 'state' | 'silentMs' | 'score'> &
  Pick<Member, 'shardsDone' | 'residentBytes' | 'tensors'>

interface Arrived {
  readonly worker: number
  readonly lease: number
  readonly vector: Float32Array<ArrayBuffer>
  refusal?: Refusal
}

interface CurrentTask {
  readonly id: number
  readonly task: PoolTask
  readonly tree: ReductionTree
  /** Results that wait for their audit, by lease. */
  readonly kept: Map<number, Float32Array<ArrayBuffer>>
  sum: Float32Array<ArrayBuffer> | undefined
  counted: number
  readonly resolve: (sum: Float32Array<ArrayBuffer>) => void
  readonly reject: (error: Error) => void
}

/**
 * The workers of a run. Carries messages and vectors between them and the {@link Scheduler}, which decides everything, and tells
 * the observer what it decided.
 */
export class WorkerPool {
  /** Results come in these; who is done with a sum may give it back. */
  readonly vectors = new VectorPool()
  readonly #options: WorkerPoolOptions
  readonly #admission: Admission
  readonly #members = new Map<number, Member>()
  readonly #scheduler: Scheduler
  readonly #createdMs: number
  #nextWorker = 1
  #nextTask = 1
  #current: CurrentTask | undefined
  /** The result that is being looked at. */
  #arrived: Arrived | undefined
  /** Effects in their order: what one of them causes comes after all that were there before. */
  #effects: Effect[] = []
  #isCarryingOut = false
  #finished: string | undefined
  /** Whether people know that nobody is there. */
  #saidWaiting = false
  #wakeMs = Infinity
  #reissued = 0
  #peakWorkers = 0

  constructor(options: WorkerPoolOptions) {
    this.#options = options
    this.#admission = new Admission(options.allowMixedDevices)
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

  /** From lease to result, per training shard: the median of the workers. 0: not measured. */
  get shardMs(): number {
    const known = this.#scheduler.workers().flatMap(({ shardMs }) => shardMs ?? [])
    return known.sort((a, b) => a - b)[known.length >> 1] ?? 0
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
    return this.#scheduler.workers().map(({ id, state, silentMs, score }) => {
      const { summary, shardsDone, residentBytes, tensors } = this.#member(id)
      return { ...summary, state, silentMs, score, shardsDone, residentBytes, tensors }
    })
  }

  /**
   * The all-reduce: computes a vector for every shard on whichever workers there are, and sums them in the fixed order.
   * Waits while there is no worker. One task at a time.
   * @returns float32, `[task.vectorLength]`; owned by the caller
   * @throws ConvoyError('training') when some shard fails again and again; the signal's reason when it fires
   */
  async compute(task: PoolTask, signal: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    signal.throwIfAborted()
    const id = this.#nextTask++
    const tree = new ReductionTree(task.shards, (vector) => {
      this.vectors.give(vector)
    })
    let onAbort: (() => void) | undefined
    try {
      return await new Promise((resolve, reject) => {
        this.#current = { id, task, tree, kept: new Map(), sum: undefined, counted: 0, resolve, reject }
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
    for (const member of this.#members.values()) member.connection?.send({ finish: { reason } })
  }

  /**
   * A worker asks to take part.
   * @throws ConvoyError('unavailable') when the run is full or its name is taken; what {@link Admission.check} throws
   */
  join(request: JoinRequest): { worker: number; session: string } {
    const applicant = this.#admission.check(request)
    for (const [id, { applicant: other }] of this.#members) {
      if (other.name !== applicant.name) continue
      if (other.incarnation !== applicant.incarnation) {
        throw new ConvoyError(
          'unavailable',
          `A worker named ${applicant.name} takes part already. Give this one another --name, or wait until the other is gone.`,
        )
      }
      this.expel(id, 'joined again')
    }
    if (this.#members.size >= this.#options.maxWorkers) {
      throw new ConvoyError(
        'unavailable',
        `The run has its ${this.#options.maxWorkers} workers; --max-workers allows more.`,
      )
    }
    const worker = this.#nextWorker++
    const secret = new SessionSecret()
    const { name, device } = applicant
    this.#members.set(worker, {
      ...{ applicant, summary: { id: worker, name, device }, secret, connection: undefined, wasReady: false },
      ...{ shardsDone: 0, residentBytes: 0, tensors: 0 },
    })
    this.#handle({ kind: 'joined', worker, name })
    return { worker, session: secret.hex }
  }

  /** True when `session` is what this worker got at join. Constant time. */
  authenticate(worker: number, session: string): boolean {
    return this.#members.get(worker)?.secret.matches(session) ?? false
  }

  /**
   * The worker opened its control stream.
   * @throws ConvoyError('protocol') when it has one already
   */
  connect(worker: number, connection: WorkerConnection): void {
    const member = this.#member(worker)
    if (member.connection !== undefined)
      throw new ConvoyError('protocol', `Worker ${worker} has a control stream already.`)
    member.connection = connection
    this.#handle({ kind: 'connected', worker })
    if (this.#finished !== undefined) connection.send({ finish: { reason: this.#finished } })
  }

  /** The control stream broke, ended or was dropped. Safe to call more than once. */
  disconnect(worker: number, reason: string): void {
    const member = this.#members.get(worker)
    if (member === undefined) return
    const why = this.#scheduler.stateOf(worker) === 'draining' ? 'it wanted to' : reason
    this.#members.delete(worker)
    this.#handle({ kind: 'gone', worker, reason: why }, () => {
      // After the run everybody goes; that is no news.
      if (!member.wasReady || this.#finished !== undefined) return
      this.#options.observer({ kind: 'worker-left', worker: member.summary, reason: why, workers: this.workerCount })
    })
    if (member.wasReady) this.#sayWaiting()
  }

  /** @throws ConvoyError('protocol') for a message that makes no sense now */
  receive(worker: number, message: FromWorker): void {
    const member = this.#member(worker)
    if (message.ready) {
      this.#handle({ kind: 'ready', worker }, () => {
        this.#welcome(member)
      })
    } else if (message.heartbeat) {
      const { shardsDone, residentBytes, tensors } = message.heartbeat
      Object.assign(member, { shardsDone, residentBytes, tensors })
      this.#handle({ kind: 'heartbeat', worker, shardsDone })
    } else if (message.failed) {
      const { lease, reason } = message.failed
      this.#handle({ kind: 'failed', worker, lease, reason: reason.slice(0, 2_000) })
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
  result(worker: number, lease: number, vector: Float32Array<ArrayBuffer>): Refusal | undefined {
    const isCurrent = this.#scheduler.lease(lease, worker) !== undefined
    const arrived: Arrived = { worker, lease, vector }
    this.#arrived = arrived
    const bad = isCurrent ? firstBadValue(vector) : -1
    if (bad >= 0) {
      const value = vector[bad]!
      const where = this.#current!.task.describeIndex(bad)
      const reason = `${Number.isFinite(value) ? `absurd (${value})` : 'not finite'} in ${where}`
      this.#refuse(worker, lease, reason)
      this.#handle({ kind: 'bad-result', worker, lease, reason, hash: hashOf(vector) })
      this.vectors.give(vector)
    } else {
      const hash = this.#scheduler.needsHash(lease) ? { hash: hashOf(vector) } : {}
      this.#handle({ kind: 'good-result', worker, lease, ...hash })
    }
    this.#arrived = undefined
    return arrived.refusal
  }

  /** A result of a lease that is nobody's any more; or one that was malformed, whose shards go to others. */
  refuse(worker: number, lease: number, reason: string): Refusal {
    if (this.#scheduler.lease(lease, worker))
      this.#handle({ kind: 'failed', worker, lease, reason: `result ${reason}` })
    return this.#refuse(worker, lease, reason)
  }

  /** Closes the worker's control stream and gives its shards to others. The worker may join again. */
  expel(worker: number, reason: string): void {
    const member = this.#members.get(worker)
    this.disconnect(worker, reason)
    member?.connection?.drop(reason)
  }

  /** Lets time pass. Call a few times per second, and when {@link WorkerPoolOptions.wakeAt} asks for it. */
  tick(): void {
    this.#handle({ kind: 'tick' })
    if (this.workerCount > 0) this.#saidWaiting = false
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
    switch (effect.kind) {
      case 'grant':
        return this.#grant(effect.lease)
      case 'revoke':
        return this.#members.get(effect.lease.worker)?.connection?.send({ revoke: { lease: effect.lease.id } })
      case 'count':
        return this.#count(effect.lease)
      case 'keep':
        this.#current!.kept.set(effect.lease.id, this.#arrived!.vector)
        return
      case 'discard':
        return this.#discard(effect.lease, effect.reason)
      case 'done':
        return this.#current!.resolve(this.#current!.sum!)
      case 'drop':
        return this.expel(effect.worker, effect.reason)
      case 'goodbye':
        return this.#members.get(effect.worker)?.connection?.send({ finish: { reason: 'left' } })
      case 'state':
        return
      case 'reissue':
        this.#reissued++
        return observer({ kind: 'reissued', workerId: effect.worker, shards: effect.shards, reason: effect.reason })
      case 'rescue':
        return observer({ kind: 'rescued', workerId: effect.worker, lateId: effect.late, shards: effect.shards })
      case 'quarantine': {
        const seconds = effect.untilMs === Infinity ? null : (effect.untilMs - this.#options.now()) / 1000
        return observer({ kind: 'quarantined', name: effect.name, seconds, reason: effect.reason })
      }
      case 'audit':
        return observer({ kind: 'audited', outcome: effect.outcome })
      case 'give-up':
        return this.#giveUp(effect)
    }
  }

  #grant(lease: Lease): void {
    const { work, step, split, weightsVersion } = this.#current!.task
    const { id, firstShard, shardCount } = lease
    this.#members
      .get(lease.worker)
      ?.connection?.send({ lease: { lease: id, work, step, split, firstShard, shardCount, weightsVersion } })
  }

  #count({ id, firstShard, shardCount }: Lease): void {
    const current = this.#current!
    const vector = current.kept.get(id) ?? this.#arrived!.vector
    current.kept.delete(id)
    current.sum = current.tree.add(firstShard, shardCount, vector)
    current.task.onProgress?.((current.counted += shardCount))
  }

  #discard(lease: number, reason: string): void {
    const kept = this.#current?.kept.get(lease)
    if (kept !== undefined) {
      this.#current!.kept.delete(lease)
      this.vectors.give(kept)
    } else if (this.#arrived?.lease === lease) {
      this.#refuse(this.#arrived.worker, lease, reason)
      this.vectors.give(this.#arrived.vector)
    }
  }

  #refuse(worker: number, lease: number, reason: string): Refusal {
    this.#options.observer({ kind: 'refused', reason, worker: this.#member(worker).summary })
    const refusal = { lease, reason }
    if (this.#arrived?.lease === lease) this.#arrived.refusal = refusal
    return refusal
  }

  #giveUp({ firstShard, shardCount, cause, reason }: Extract<Effect, { kind: 'give-up' }>): void {
    const { task, reject } = this.#current!
    const what = task.describeShards(firstShard, shardCount)
    const why = {
      'same-result': `the same bad result came from every worker that tried, so it is the data or the model: ${reason}`,
      failures: `it failed on every try, the last time with: ${reason}`,
      losses: `too many workers were lost over it, the last one with: ${reason}`,
    }[cause]
    const advice = /not finite|absurd/.test(reason)
      ? ' If the training diverged, a lower learning rate (--learning-rate) or gradient clipping (--set clipNorm=1) helps.'
      : ''
    reject(new ConvoyError('training', `${what} cannot be computed: ${why}.${advice}`))
  }

  #welcome(member: Member): void {
    member.wasReady = true
    this.#saidWaiting = false
    this.#peakWorkers = Math.max(this.#peakWorkers, this.workerCount)
    this.#options.observer({ kind: 'worker-joined', worker: member.summary, workers: this.workerCount })
  }

  /** Said once each time that the last worker goes, and when none has come after a while. */
  #sayWaiting(): void {
    if (this.workerCount > 0 || this.#finished !== undefined || this.#saidWaiting) return
    this.#saidWaiting = true
    this.#options.observer({ kind: 'waiting' })
  }

  #member(worker: number): Member {
    const member = this.#members.get(worker)
    if (member === undefined) throw new ConvoyError('protocol', `There is no worker ${worker} (any more).`)
    return member
  }
}

function hashOf(vector: Float32Array): string {
  return createHash('sha256').update(bytesOf(vector)).digest('hex')
}
