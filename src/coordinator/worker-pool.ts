import { randomBytes, timingSafeEqual } from 'node:crypto'
import { ConvoyError } from '../shared/errors.js'
import type {
  FromCoordinator,
  FromWorker,
  JoinRequest,
  LeaseMessage,
  Refusal,
  Work,
} from '../shared/protocol/messages.js'
import { PROTOCOL_VERSION } from '../shared/protocol/messages.js'
import { ReductionTree } from '../shared/reduction-tree.js'
import { VectorPool } from '../shared/vector-pool.js'
import type { SplitName } from '../data/dataset.js'
import type { Effect, Lease } from './core/lease-scheduler.js'
import { LeaseScheduler } from './core/lease-scheduler.js'
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
}

/**
 * - syncing: joined; loads its data and engine
 * - ready: waits for a lease
 * - busy: holds a lease
 * - leaving: wants to go; owes at most the lease that it holds
 */
export type WorkerState = 'syncing' | 'ready' | 'busy' | 'leaving'

/** The control stream to one worker, as the pool needs it. */
export interface WorkerConnection {
  send(message: FromCoordinator): void
  /** Closes the stream at once, without waiting for the worker. */
  drop(reason: string): void
}

interface Member {
  readonly summary: WorkerSummary
  readonly session: Buffer
  readonly joinedAtMs: number
  connection: WorkerConnection | undefined
  state: WorkerState
  lastHeardMs: number
  lastProgressMs: number
  shardsDone: number
  residentBytes: number
  tensors: number
}

export interface WorkerPoolOptions {
  readonly observer: RunObserver
  readonly heartbeatMs: number
  /** A worker that holds a lease and finishes no shard for so long is replaced. */
  readonly progressTimeoutMs: number
  readonly maxWorkers: number
  /** Accept workers whose bits may differ. */
  readonly allowMixedDevices: boolean
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** Heartbeats that may be missing before a worker is taken for dead. */
const MISSED_HEARTBEATS = 4
/** A worker that joined but never opened its stream is forgotten after so long. */
const CONNECT_TIMEOUT_MS = 10_000
/** Workers load TensorFlow for a few seconds before they join. */
const FIRST_WORKER_MS = 6_000

interface CurrentTask {
  readonly id: number
  readonly task: PoolTask
  readonly tree: ReductionTree
  readonly resolve: (sum: Float32Array<ArrayBuffer>) => void
  readonly reject: (error: Error) => void
}

/** The workers of a run: who is there, who computes what, and what became of it. */
export class WorkerPool {
  /** Results come in these; who is done with a sum may give it back. */
  readonly vectors = new VectorPool()
  readonly #options: WorkerPoolOptions
  readonly #members = new Map<number, Member>()
  readonly #scheduler = new LeaseScheduler()
  #nextWorker = 1
  #nextTask = 1
  #current: CurrentTask | undefined
  /** Of the first worker: what the run's bits are promised for. */
  #fingerprint: string | undefined
  #finished: string | undefined
  #lastTickMs: number
  /** Whether people know that nobody is there. */
  #saidWaiting = false
  readonly #createdMs: number
  #reissued = 0
  #peakWorkers = 0

  constructor(options: WorkerPoolOptions) {
    this.#options = options
    this.#lastTickMs = options.now()
    this.#createdMs = this.#lastTickMs
  }

  /** Workers that can compute or do so now. */
  get workerCount(): number {
    return this.#count((member) => member.state !== 'syncing')
  }

  /** Leases given again because a worker died, left or failed. */
  get reissued(): number {
    return this.#reissued
  }

  /** Most workers that were ready at the same time. */
  get peakWorkers(): number {
    return this.#peakWorkers
  }

  statuses(): (WorkerSummary & {
    state: WorkerState
    shardsDone: number
    residentBytes: number
    tensors: number
    lastHeardMs: number
  })[] {
    const now = this.#options.now()
    return [...this.#members.values()].map((member) => ({
      ...member.summary,
      state: member.state,
      shardsDone: member.shardsDone,
      residentBytes: member.residentBytes,
      tensors: member.tensors,
      lastHeardMs: now - member.lastHeardMs,
    }))
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
    let onAbort: (() => void) | undefined
    try {
      const tree = new ReductionTree(task.shards, (vector) => {
        this.vectors.give(vector)
      })
      return await new Promise((resolve, reject) => {
        this.#current = { id, task, tree, resolve, reject }
        onAbort = () => {
          this.#run(this.#scheduler.abandon())
          reject(signal.reason as Error)
        }
        signal.addEventListener('abort', onAbort, { once: true })
        this.#run(this.#scheduler.begin({ id, shards: task.shards }))
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
   * @throws ConvoyError('incompatible') for another protocol or a device with other bits, ConvoyError('unavailable') when full
   */
  join(request: JoinRequest): { worker: number; session: string } {
    if (request.protocol !== PROTOCOL_VERSION) {
      throw new ConvoyError(
        'incompatible',
        `The worker speaks protocol ${request.protocol}, this coordinator ${PROTOCOL_VERSION}; run the same version of Convoy on both sides.`,
      )
    }
    if (this.#members.size >= this.#options.maxWorkers) {
      throw new ConvoyError(
        'unavailable',
        `The run has its ${this.#options.maxWorkers} workers; --max-workers allows more.`,
      )
    }
    const { kind, name, tensorflowVersion, fingerprint } = request.device ?? {}
    if ((kind !== 'cpu' && kind !== 'gpu') || !name || !tensorflowVersion || !fingerprint) {
      throw new ConvoyError('protocol', 'The worker did not say what device it computes on.')
    }
    this.#fingerprint ??= fingerprint
    if (fingerprint !== this.#fingerprint && !this.#options.allowMixedDevices) {
      throw new ConvoyError(
        'incompatible',
        `The worker computes on ${name} (TensorFlow ${tensorflowVersion}), whose bits may differ from those of the run's first worker. ` +
          'Start the coordinator with --allow-mixed-devices to accept it; the weights then depend on who computes what.',
      )
    }
    const id = this.#nextWorker++
    const session = randomBytes(16)
    const now = this.#options.now()
    this.#members.set(id, {
      summary: {
        id,
        name: request.name.slice(0, 200) || `worker ${id}`,
        device: { kind, name: name.slice(0, 200), tensorflowVersion: tensorflowVersion.slice(0, 40), fingerprint },
      },
      session,
      joinedAtMs: now,
      connection: undefined,
      state: 'syncing',
      lastHeardMs: now,
      lastProgressMs: now,
      shardsDone: 0,
      residentBytes: 0,
      tensors: 0,
    })
    return { worker: id, session: session.toString('hex') }
  }

  /** True when `session` is what this worker got at join. Constant time. */
  authenticate(worker: number, session: string): boolean {
    const expected = this.#members.get(worker)?.session
    const given = Buffer.from(session, 'hex')
    return expected !== undefined && given.length === expected.length && timingSafeEqual(given, expected)
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
    member.lastHeardMs = this.#options.now()
    if (this.#finished !== undefined) connection.send({ finish: { reason: this.#finished } })
  }

  /** The control stream broke, ended or was dropped. Safe to call more than once. */
  disconnect(worker: number, reason: string): void {
    const member = this.#members.get(worker)
    if (member === undefined) return
    this.#members.delete(worker)
    const why = member.state === 'leaving' ? 'it wanted to' : reason
    const effects = this.#scheduler.workerGone(worker, why)
    // After the run everybody goes; that is no news.
    if (member.state !== 'syncing' && this.#finished === undefined) {
      this.#options.observer({ kind: 'worker-left', worker: member.summary, reason: why, workers: this.workerCount })
    }
    this.#run(effects)
    if (member.state !== 'syncing') this.#sayWaiting()
  }

  /** @throws ConvoyError('protocol') for a message that makes no sense now */
  receive(worker: number, message: FromWorker): void {
    const member = this.#member(worker)
    member.lastHeardMs = this.#options.now()
    if (message.ready) this.#ready(member)
    else if (message.heartbeat) this.#heartbeat(member, message.heartbeat)
    else if (message.failed) this.#failed(member, message.failed.lease, message.failed.reason.slice(0, 2_000))
    else if (message.leaving) this.#leaving(member)
    else throw new ConvoyError('protocol', `Worker ${worker} sent an empty or unknown message.`)
  }

  /** Floats that the result of this lease must have; undefined when the lease is not this worker's (any more). */
  expectedLength(worker: number, leaseId: number): number | undefined {
    const lease = this.#scheduler.current(leaseId, worker)
    return lease === undefined ? undefined : this.#current?.task.vectorLength
  }

  /**
   * The result of a lease has come, whole. Counts only while the lease is current and every number is finite.
   * @param vector owned by the pool from here on
   */
  result(worker: number, leaseId: number, vector: Float32Array<ArrayBuffer>): Refusal | undefined {
    const member = this.#member(worker)
    const lease = this.#scheduler.current(leaseId, worker)
    if (lease === undefined || this.#current?.id !== lease.task) return this.refuse(worker, leaseId, 'stale')
    if (!allFinite(vector)) return this.refuse(worker, leaseId, 'not finite')
    this.#setIdle(member)
    const current = this.#current
    const sum = current.tree.add(lease.firstShard, lease.shardCount, vector)
    const { done, effects } = this.#scheduler.complete(leaseId)
    if (done !== (sum !== undefined))
      throw new ConvoyError('internal', 'the scheduler and the reduction tree disagree on what is done')
    this.#run(effects)
    if (sum !== undefined) current.resolve(sum)
    return undefined
  }

  /** Counts a result that was not taken; the lease, if it is current, fails and its shards go to others. */
  refuse(worker: number, leaseId: number, reason: string): Refusal {
    const member = this.#member(worker)
    this.#options.observer({ kind: 'refused', reason, worker: member.summary })
    if (this.#scheduler.current(leaseId, worker)) this.#failed(member, leaseId, `result ${reason}`)
    return { lease: leaseId, reason }
  }

  /** Closes the worker's control stream and gives its shards to others. The worker may join again. */
  expel(worker: number, reason: string): void {
    const member = this.#members.get(worker)
    member?.connection?.drop(reason)
    this.disconnect(worker, reason)
  }

  /** Drops workers that fell silent or hang. Call a few times per second. */
  tick(): void {
    const now = this.#options.now()
    const { heartbeatMs, progressTimeoutMs } = this.#options
    if (now - this.#createdMs > FIRST_WORKER_MS) this.#sayWaiting()
    // When this process itself was stopped or busy, the silence was its own.
    const late = Math.max(0, now - this.#lastTickMs - heartbeatMs)
    this.#lastTickMs = now
    for (const [id, member] of this.#members) {
      member.lastHeardMs += late
      member.lastProgressMs += late
      const silentMs = now - member.lastHeardMs
      if (member.connection === undefined) {
        if (silentMs > CONNECT_TIMEOUT_MS) this.disconnect(id, 'never opened its control stream')
      } else if (silentMs > MISSED_HEARTBEATS * heartbeatMs) {
        this.expel(id, `silent for ${(silentMs / 1000).toFixed(1)} s`)
      } else if (this.#scheduler.leaseOf(id) && now - member.lastProgressMs > progressTimeoutMs) {
        this.expel(id, `finished no shard for ${(progressTimeoutMs / 1000).toFixed(0)} s`)
      }
    }
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

  #ready(member: Member): void {
    if (member.state !== 'syncing') throw new ConvoyError('protocol', `Worker ${member.summary.id} was ready before.`)
    member.state = 'ready'
    this.#saidWaiting = false
    this.#peakWorkers = Math.max(this.#peakWorkers, this.workerCount)
    this.#options.observer({ kind: 'worker-joined', worker: member.summary, workers: this.workerCount })
    this.#run(this.#scheduler.workerReady(member.summary.id))
  }

  #heartbeat(member: Member, beat: NonNullable<FromWorker['heartbeat']>): void {
    if (beat.shardsDone > member.shardsDone) member.lastProgressMs = this.#options.now()
    member.shardsDone = beat.shardsDone
    member.residentBytes = beat.residentBytes
    member.tensors = beat.tensors
  }

  #failed(member: Member, leaseId: number, reason: string): void {
    if (this.#scheduler.current(leaseId, member.summary.id) === undefined) return
    this.#setIdle(member)
    this.#run(this.#scheduler.failed(leaseId, reason))
  }

  #leaving(member: Member): void {
    if (member.state === 'syncing') return this.expel(member.summary.id, 'left')
    this.#scheduler.workerLeaving(member.summary.id)
    const owes = member.state === 'busy'
    member.state = 'leaving'
    if (!owes) this.#sayGoodbye(member)
  }

  /** The member's lease is over: it may get another, or may go. */
  #setIdle(member: Member): void {
    if (member.state === 'leaving') this.#sayGoodbye(member)
    else member.state = 'ready'
  }

  #sayGoodbye(member: Member): void {
    member.connection?.send({ finish: { reason: 'left' } })
  }

  #run(effects: Effect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'grant':
          this.#grant(effect.lease)
          break
        case 'revoke':
          this.#members.get(effect.lease.worker)?.connection?.send({ revoke: { lease: effect.lease.id } })
          break
        case 'reissue':
          this.#reissued++
          this.#options.observer({
            kind: 'reissued',
            workerId: effect.worker,
            shards: effect.shards,
            reason: effect.reason,
          })
          break
        case 'give-up':
          this.#giveUp(effect.firstShard, effect.reason)
          break
      }
    }
  }

  #grant(lease: Lease): void {
    const member = this.#members.get(lease.worker)
    if (member === undefined || this.#current === undefined)
      throw new ConvoyError('internal', 'a lease was granted to nobody')
    const { task } = this.#current
    member.state = 'busy'
    member.lastProgressMs = this.#options.now()
    const message: LeaseMessage = {
      lease: lease.id,
      work: task.work,
      step: task.step,
      split: task.split,
      firstShard: lease.firstShard,
      shardCount: lease.shardCount,
      weightsVersion: task.weightsVersion,
    }
    member.connection?.send({ lease: message })
  }

  #giveUp(firstShard: number, reason: string): void {
    const current = this.#current
    if (current === undefined) return
    const { work, step, split } = current.task
    const what = work === 'WORK_GRADIENT' ? `Step ${step + 1}` : `The evaluation on ${split}`
    current.reject(
      new ConvoyError(
        'training',
        `${what} cannot be computed: shard ${firstShard} failed on every try, the last time with: ${reason}. ` +
          (reason.includes('not finite')
            ? 'The training diverged; a lower learning rate or gradient clipping helps.'
            : ''),
      ),
    )
  }

  #count(predicate: (member: Member) => boolean): number {
    let count = 0
    for (const member of this.#members.values()) if (predicate(member)) count++
    return count
  }
}

/** One pass without branches: x · 0 is NaN exactly when x is not finite. */
function allFinite(vector: Float32Array): boolean {
  let probe = 0
  for (let index = 0; index < vector.length; index++) probe += vector[index]! * 0
  return probe === 0
}
