import { ConvoyError } from '../shared/errors.js'
import type { SchedulerLimits } from './limits.js'
import type { LiveLease } from './live-leases.js'
import type { Effect, Lease, SchedulerEvent } from './scheduler-events.js'
import type { WorkKind } from './speeds.js'
import { Speed } from './speeds.js'
import type { FailureHistory } from './failure-history.js'
import type { WorkerState } from './worker-states.js'
import { checkTransition } from './worker-states.js'

/** The kind of work that workers are compared by. */
const COMPARED = 'WORK_GRADIENT'

/** A worker as the scheduler keeps it. Times in milliseconds. */
export interface WorkerRecord {
  readonly id: number
  readonly name: string
  /** Host and device. */
  readonly machine: string
  readonly speed: Speed
  /** Shards that it computes at once: more than one is a relay. */
  workers: number
  state: WorkerState
  lease: LiveLease | undefined
  wasRevoked: boolean
  sinceMs: number
  heardMs: number
  progressMs: number
  shardsDone: number
  passedOver: boolean
}

type HeartbeatEvent = Pick<Extract<SchedulerEvent, { kind: 'heartbeat' }>, 'shardsDone' | 'workers'>

/** How many times in a row a worker computes for a block: a relay computes a shard on each of its workers at once. */
export function roundsOf({ workers }: WorkerRecord, { shardCount }: Pick<Lease, 'shardCount'>): number {
  return Math.ceil(shardCount / workers)
}

/** A worker for status and metrics: what the scheduler knows of it. */
export interface WorkerView {
  readonly id: number
  readonly name: string
  readonly state: WorkerState
  readonly lease: Lease | undefined
  readonly silentMs: number
  /** Milliseconds per training shard; undefined until measured. */
  readonly shardMs: number | undefined
  /** {@link shardMs}, divided by that of the fastest worker; undefined until measured. */
  readonly stragglerRatio: number | undefined
}

/** The workers of a run: the state of each, and the limits of time for it. */
export class WorkerTable {
  readonly #limits: SchedulerLimits
  readonly #failureHistory: FailureHistory
  readonly #emit: (effect: Effect) => void
  readonly #workers = new Map<number, WorkerRecord>()
  /** The time of the event that is being handled. */
  nowMs = 0

  constructor(limits: SchedulerLimits, failureHistory: FailureHistory, emit: (effect: Effect) => void) {
    this.#limits = limits
    this.#failureHistory = failureHistory
    this.#emit = emit
  }

  get all(): readonly WorkerRecord[] {
    return [...this.#workers.values()]
  }

  get(id: number): WorkerRecord | undefined {
    return this.#workers.get(id)
  }

  delete(id: number): void {
    this.#workers.delete(id)
  }

  /** Workers in any of these states. */
  count(...states: readonly WorkerState[]): number {
    let count = 0
    for (const { state } of this.#workers.values()) if (states.includes(state)) count++
    return count
  }

  /** All workers, for status and metrics. */
  views(): WorkerView[] {
    const records = [...this.#workers.values()]
    const fastest = Math.min(...records.map(({ speed }) => speed.shardMs(COMPARED) ?? Infinity))
    return records.map(({ id, name, state, lease, heardMs, speed }) => {
      const shardMs = speed.shardMs(COMPARED)
      const stragglerRatio = shardMs !== undefined && fastest > 0 ? shardMs / fastest : undefined
      return { id, name, state, lease, silentMs: this.nowMs - heardMs, shardMs, stragglerRatio }
    })
  }

  joined(id: number, name: string, machine: string): void {
    const nowMs = this.nowMs
    this.#workers.set(id, {
      ...{ id, name, machine, speed: new Speed(), workers: 1, state: 'joining', lease: undefined, wasRevoked: false },
      ...{ sinceMs: nowMs, heardMs: nowMs, progressMs: nowMs, shardsDone: 0, passedOver: false },
    })
    this.#emit({ kind: 'state', worker: id, state: 'joining' })
  }

  connected(worker: WorkerRecord): void {
    if (worker.state === 'joining') this.become(worker, 'syncing')
    else if (worker.state === 'draining') this.release(worker)
    else throw new ConvoyError('protocol', `Worker ${worker.id} has connected before.`)
  }

  /** The worker that sent a message. It is not suspect any more. @throws ConvoyError('protocol') when no worker has this id */
  heard(id: number): WorkerRecord {
    const worker = this.#workers.get(id)
    if (worker === undefined) throw new ConvoyError('protocol', `There is no worker ${id} (any more).`)
    worker.heardMs = this.nowMs
    if (worker.state === 'suspect') this.become(worker, worker.lease ? 'busy' : 'ready')
    return worker
  }

  become(worker: WorkerRecord, state: WorkerState): void {
    checkTransition(worker.id, worker.state, state)
    worker.state = state
    worker.sinceMs = this.nowMs
    this.#emit({ kind: 'state', worker: worker.id, state })
  }

  ready(worker: WorkerRecord): void {
    if (worker.state === 'draining') return
    if (worker.state !== 'syncing') throw new ConvoyError('protocol', `Worker ${worker.id} was ready before.`)
    this.become(worker, 'ready')
    if (this.#failureHistory.quarantinedUntilMs(worker.name) > this.nowMs) this.become(worker, 'quarantined')
  }

  heartbeat(worker: WorkerRecord, { shardsDone, workers = 1 }: HeartbeatEvent): void {
    const { lease } = worker
    worker.workers = workers
    // Limited by the shards of the lease, and one of the lease before: a worker that reports more would never be considered hung.
    if (shardsDone > worker.shardsDone && lease && lease.progressReports++ <= lease.shardCount)
      worker.progressMs = this.nowMs
    worker.shardsDone = shardsDone
  }

  draining(worker: WorkerRecord): void {
    if (worker.state === 'draining') return
    if (worker.state === 'joining') this.become(worker, 'syncing')
    this.become(worker, 'draining')
    if (worker.lease === undefined) this.release(worker)
  }

  /** The draining worker holds no lease; start its shutdown timeout. */
  release(worker: WorkerRecord): void {
    worker.sinceMs = this.nowMs
    this.#emit({ kind: 'goodbye', worker: worker.id })
  }

  /** The worker got this lease. */
  leaseStarted(worker: WorkerRecord, lease: LiveLease): void {
    worker.wasRevoked = false
    worker.passedOver = false
    worker.lease = lease
    worker.progressMs = this.nowMs
    this.become(worker, 'busy')
  }

  /** The worker holds no lease any more, and may get the next one unless it is draining. */
  leaseEnded(worker: WorkerRecord): void {
    if (worker.state === 'busy') this.become(worker, 'ready')
    else if (worker.state === 'draining') this.release(worker)
  }

  forgiveSilence(lateMs: number): void {
    for (const worker of this.#workers.values()) {
      worker.heardMs += lateMs
      worker.progressMs += lateMs
      worker.sinceMs += lateMs
      if (worker.lease) worker.lease.grantedMs += lateMs
    }
  }

  tick(): void {
    const { heartbeatMs, suspectHeartbeats, deadHeartbeats, connectMs, syncMs, progressMs } = this.#limits
    for (const worker of this.#workers.values()) {
      const silentMs = this.nowMs - worker.heardMs
      const inStateMs = this.nowMs - worker.sinceMs
      const drop = (reason: string): void => {
        this.#emit({ kind: 'drop', worker: worker.id, reason })
      }
      if (worker.state === 'joining') {
        if (inStateMs > connectMs) drop('never opened its control stream')
      } else if (silentMs > deadHeartbeats * heartbeatMs) {
        drop(`silent for ${(silentMs / 1000).toFixed(1)} s`)
      } else if (worker.state === 'syncing' && inStateMs > syncMs) {
        drop(`not ready after ${(syncMs / 1000).toFixed(0)} s`)
      } else if (worker.state === 'draining' && worker.lease === undefined && inStateMs > progressMs) {
        drop('did not leave when it could')
      } else if (worker.lease && this.nowMs - worker.progressMs > progressMs) {
        drop(`finished no shard for ${(progressMs / 1000).toFixed(0)} s`)
      } else if (silentMs > suspectHeartbeats * heartbeatMs && ['ready', 'busy'].includes(worker.state)) {
        this.become(worker, 'suspect')
      } else if (
        worker.state === 'quarantined' &&
        this.#failureHistory.quarantinedUntilMs(worker.name) <= this.nowMs &&
        silentMs <= suspectHeartbeats * heartbeatMs
      ) {
        this.become(worker, 'ready')
      }
    }
  }

  /** Workers that compute, or could now. */
  eligible(): WorkerRecord[] {
    return [...this.#workers.values()].filter(({ state }) => state === 'ready' || state === 'busy')
  }

  /** Whether a worker waits for a lease. */
  get hasIdle(): boolean {
    for (const { state } of this.#workers.values()) if (state === 'ready') return true
    return false
  }

  /** Idle workers, the fastest first; among equals, the first that joined. Workers that were not measured count as fast. */
  idle(kind: WorkKind): WorkerRecord[] {
    const shardMs = ({ speed }: WorkerRecord): number => speed.shardMs(kind) ?? 0
    return [...this.#workers.values()]
      .filter(({ state }) => state === 'ready')
      .sort((a, b) => shardMs(a) - shardMs(b) || a.id - b.id)
  }
}
