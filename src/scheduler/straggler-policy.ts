import type { SchedulerLimits } from './limits.js'
import type { Block, TaskShards } from './task-shards.js'
import type { LiveLease } from './live-leases.js'
import type { WorkerRecord, WorkerTable } from './worker-table.js'
import { roundsOf } from './worker-table.js'
import type { WorkKind } from './speeds.js'

/** Less was not measured: it is an event that came late. */
const MIN_SHARD_MS = 0.001

/** Milliseconds per shard of the workers that were measured; Infinity: none was. */
interface KnownSpeeds {
  readonly fastestMs: number
  readonly slowestMs: number
}

/** How fast a worker is: `workers` shards at once. */
interface Pace {
  readonly shardMs: number
  readonly workers: number
}

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

  /**
   * The share of each idle worker in the open shards, whole: what it computes in the shortest time in which all workers together compute
   * all of them; none for one that is too slow. Busy workers have shares too: they will be idle soon. One on trial gets one shard,
   * whatever its speed.
   */
  shares(open: number): Map<WorkerRecord, number> {
    const kind = this.#kind
    const eligible = this.#workers.eligible()
    const known = speedsOf(eligible, kind)
    // A worker that was not measured counts as fast as the fastest.
    const fastestMs = Number.isFinite(known.fastestMs) ? known.fastestMs : MIN_SHARD_MS
    const paceOf = ({ speed, workers }: WorkerRecord): Pace => {
      return { shardMs: Math.max(MIN_SHARD_MS, speed.shardMs(kind) ?? fastestMs), workers }
    }
    const regular = eligible.filter(({ speed }) => !speed.isOnTrial(kind))
    // Workers on trial may be more than the shards that are open. Then the others share what is left by chance: one shard each.
    const left = open > 0 ? Math.max(1, open - (eligible.length - regular.length)) : 0
    const togetherMs = shortestMs(left, regular.map(paceOf))
    return new Map(
      this.#workers.idle(kind).map((worker) => {
        if (worker.speed.isOnTrial(kind)) return [worker, 1]
        const pace = paceOf(worker)
        const isMeasured = worker.speed.shardMs(kind) !== undefined
        const rounds = isMeasured ? Math.max(1, this.#limits.longestLeaseMs / pace.shardMs) : Infinity
        return [worker, Math.min(shardsIn(togetherMs, pace), rounds * pace.workers)]
      }),
    )
  }

  /** False when a busy worker would finish the block earlier, its present lease included. */
  isWorth(worker: WorkerRecord, block: Block): boolean {
    const shardCount = block.count
    const kind = this.#kind
    const ownMs = worker.speed.shardMs(kind)
    if (ownMs === undefined || worker.speed.isOnTrial(kind)) return true
    const eligible = this.#workers.eligible()
    const { nowMs } = this.#workers
    const known = this.knownSpeeds()
    for (const other of this.#workers.all) {
      const { lease } = other
      const otherMs = other.speed.shardMs(kind)
      if (other.state !== 'busy' || !lease || otherMs === undefined || this.overdueMs(lease, known) <= nowMs) continue
      // Only a worker that may get the block: otherwise both would wait for each other.
      if (!this.#shards.mayTakeBlock(block, other, eligible)) continue
      const freeInMs = Math.max(0, lease.grantedMs + roundsOf(other, lease) * otherMs - nowMs)
      const ofOtherMs = freeInMs + roundsOf(other, { shardCount }) * otherMs
      if (roundsOf(worker, { shardCount }) * ownMs > this.#limits.worthFactor * ofOtherMs) return false
    }
    return true
  }

  /** The task is done: counts for each worker that it was passed over. */
  recordPassedOver(): void {
    for (const { speed, passedOver } of this.#workers.all) if (passedOver) speed.passedOver(this.#kind)
  }

  /** Of all workers, for {@link overdueMs} of many leases. */
  knownSpeeds(): KnownSpeeds {
    return speedsOf(this.#workers.all, this.#kind)
  }

  /** When other workers may compute this lease too. Infinity: no worker was measured yet. */
  overdueMs(lease: LiveLease, { fastestMs, slowestMs }: KnownSpeeds): number {
    const worker = this.#workers.get(lease.worker)!
    if (worker.state === 'suspect') return this.#workers.nowMs
    const { overdueFactor, overdueSlackMs } = this.#limits
    const kind = this.#kind
    // A trial may delay the others by no more than a shard of theirs.
    const shardMs = worker.speed.isOnTrial(kind) ? fastestMs : (worker.speed.shardMs(kind) ?? slowestMs)
    return lease.grantedMs + overdueFactor * roundsOf(worker, lease) * shardMs + overdueSlackMs
  }
}

function speedsOf(workers: readonly WorkerRecord[], kind: WorkKind): KnownSpeeds {
  let [fastestMs, slowestMs] = [Infinity, -Infinity]
  for (const { speed } of workers) {
    const shardMs = speed.shardMs(kind)
    if (shardMs === undefined) continue
    fastestMs = Math.min(fastestMs, shardMs)
    slowestMs = Math.max(slowestMs, shardMs)
  }
  return slowestMs < 0 ? { fastestMs, slowestMs: Infinity } : { fastestMs, slowestMs }
}

/** The shortest time in which workers compute so many shards, each of them whole. */
function shortestMs(shards: number, paces: readonly Pace[]): number {
  if (shards <= 0 || paces.length === 0) return Infinity
  let ms = shards / paces.reduce((sum, { shardMs, workers }) => sum + workers / shardMs, 0)
  while (paces.reduce((sum, pace) => sum + shardsIn(ms, pace), 0) < shards)
    ms = Math.min(...paces.map(({ shardMs }) => (roundsIn(ms, shardMs) + 1) * shardMs))
  return ms
}

function shardsIn(ms: number, { shardMs, workers }: Pace): number {
  return roundsIn(ms, shardMs) * workers
}

/** Measured times are no whole multiples of each other: what lacks a hundredth counts as whole. */
function roundsIn(ms: number, shardMs: number): number {
  return Math.floor(ms / shardMs + 0.01)
}
