import type { SchedulerLimits } from './limits.js'
import type { Block, TaskShards } from './task-shards.js'
import type { LiveLease } from './live-leases.js'
import type { WorkerRecord, WorkerTable } from './worker-table.js'
import type { WorkKind } from './speeds.js'

/** Decides by measured speeds, for one task: the share of each worker, which leases are overdue, and when waiting pays more. */
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

  /** The share of each idle worker in the open shards, by speed. Busy workers have shares too: they will be idle soon. */
  shares(open: number): Map<WorkerRecord, number> {
    const kind = this.#kind
    const known = this.#workers.eligible().flatMap(({ speed }) => speed.shardMs(kind) ?? [])
    // A worker that was not measured counts as fast as the fastest.
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

  /** False when a busy worker would finish the block earlier, its present lease included. */
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
      // Only a worker that may get the block: otherwise both would wait for each other.
      if (!this.#shards.mayTakeBlock(block, other, eligible)) continue
      const freeInMs = Math.max(0, lease.grantedMs + lease.shardCount * otherMs - nowMs)
      if (count * ownMs > this.#limits.worthFactor * (freeInMs + count * otherMs)) return false
    }
    return true
  }

  /** The task is done: counts for each worker that it was passed over. */
  recordPassedOver(): void {
    for (const { speed, passedOver } of this.#workers.all) if (passedOver) speed.passedOver(this.#kind)
  }

  /** When other workers may compute this lease too. Infinity: no worker was measured yet. */
  overdueMs(lease: LiveLease): number {
    const worker = this.#workers.get(lease.worker)!
    if (worker.state === 'suspect') return this.#workers.nowMs
    const { overdueFactor, overdueSlackMs } = this.#limits
    const kind = this.#kind
    const known = this.#workers.all.flatMap(({ speed }) => speed.shardMs(kind) ?? [])
    // A trial may delay the others by no more than a shard of theirs.
    const shardMs = worker.speed.isOnTrial(kind)
      ? Math.min(...known)
      : (worker.speed.shardMs(kind) ?? (known.length > 0 ? Math.max(...known) : Infinity))
    return lease.grantedMs + overdueFactor * lease.shardCount * shardMs + overdueSlackMs
  }
}
