import type { SchedulerLimits } from './limits.js'
import type { Block, TaskShards } from './task-shards.js'
import type { LiveLease, WorkerRecord, WorkerTable } from './worker-table.js'
import type { WorkKind } from './speeds.js'

/** What the measured speeds say about one task: how much is whose share, who is late, whom to wait for. */
export class StragglerPolicy {
  readonly #limits: SchedulerLimits
  readonly #workers: WorkerTable
  readonly #shards: TaskShards
  readonly #kind: WorkKind

  constructor(limits: SchedulerLimits, workers: WorkerTable, shards: TaskShards, kind: WorkKind) {
    this.#limits = limits
    this.#workers = workers
    this.#shards = shards
    this.#kind = kind
  }

  /** Each idle worker's part of the open shards, by speed: busy workers will want theirs too. */
  shares(open: number): Map<WorkerRecord, number> {
    const kind = this.#kind
    const known = this.#workers.eligible().flatMap(({ speed }) => speed.shardMs(kind) ?? [])
    // Who was not measured is taken to be as fast as the fastest.
    const fastestMs = known.length > 0 ? Math.min(...known) : 1
    const rate = ({ speed }: WorkerRecord): number => 1 / (speed.shardMs(kind) ?? fastestMs)
    const allRates = this.#workers.eligible().reduce((sum, worker) => sum + rate(worker), 0)
    return new Map(
      this.#workers.idle(kind).map((worker) => {
        if (worker.speed.isOnTrial(kind)) return [worker, 1]
        const atMost =
          this.#limits.longestLeaseMs * (worker.speed.shardMs(kind) === undefined ? Infinity : rate(worker))
        return [worker, Math.max(1, Math.min((open * rate(worker)) / allRates, atMost))]
      }),
    )
  }

  /** False when some busy worker, once it is done, would still be sooner. */
  isWorth(worker: WorkerRecord, block: Block): boolean {
    const { count } = block
    const kind = this.#kind
    const ownMs = worker.speed.shardMs(kind)
    if (ownMs === undefined || worker.speed.isOnTrial(kind)) return true
    const eligible = this.#workers.eligible()
    const { nowMs } = this.#workers
    for (const other of this.#workers.all) {
      const { lease } = other
      const otherMs = other.speed.shardMs(kind)
      if (other.state !== 'busy' || !lease || otherMs === undefined || this.overdueMs(lease) <= nowMs) continue
      // It must be one that would be given the block, or both would wait for each other.
      if (!this.#shards.mayTakeBlock(block, other, eligible)) continue
      const freeInMs = Math.max(0, lease.grantedMs + lease.shardCount * otherMs - nowMs)
      if (count * ownMs > this.#limits.worthFactor * (freeInMs + count * otherMs)) return false
    }
    return true
  }

  /** The task is done. */
  notePassedOver(): void {
    for (const { speed, passedOver } of this.#workers.all) if (passedOver) speed.passedOver(this.#kind)
  }

  /** From when on others may compute this lease too. Infinity: nobody knows yet how long it should take. */
  overdueMs(lease: LiveLease): number {
    const worker = this.#workers.get(lease.worker)!
    if (worker.state === 'suspect') return this.#workers.nowMs
    const { overdueFactor, overdueSlackMs } = this.#limits
    const kind = this.#kind
    const known = this.#workers.all.flatMap(({ speed }) => speed.shardMs(kind) ?? [])
    // A trial costs the others no more than a shard of theirs.
    const shardMs = worker.speed.isOnTrial(kind)
      ? Math.min(...known)
      : (worker.speed.shardMs(kind) ?? (known.length > 0 ? Math.max(...known) : Infinity))
    return lease.grantedMs + overdueFactor * lease.shardCount * shardMs + overdueSlackMs
  }
}
