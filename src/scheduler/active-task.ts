import type { Audit } from './audit.js'
import { Audits } from './audits.js'
import type { SchedulerLimits } from './limits.js'
import type { LiveLease } from './live-leases.js'
import { LiveLeases } from './live-leases.js'
import type { Lease, Task } from './scheduler-events.js'
import { includesShard } from './scheduler-events.js'
import type { WorkKind } from './speeds.js'
import { StragglerPolicy } from './straggler-policy.js'
import type { Block } from './task-shards.js'
import { TaskShards } from './task-shards.js'
import type { WorkerRecord, WorkerTable } from './worker-table.js'

/**
 * The next block for a worker.
 * - audit: computed once more, to compare
 * - open: leased to no worker
 * - rescue: another worker, `late`, holds it and is overdue
 */
export type Choice =
  | { readonly kind: 'audit'; readonly block: Block; readonly audit: Audit }
  | { readonly kind: 'open'; readonly block: Block }
  | { readonly kind: 'rescue'; readonly block: Block; readonly late: number }

/** The task in work: its shards, the leases on them and their audits; and which block a worker gets next. */
export class ActiveTask {
  readonly id: number
  readonly kind: WorkKind
  readonly shards: TaskShards
  readonly leases = new LiveLeases()
  readonly audits: Audits
  readonly stragglers: StragglerPolicy
  readonly #limits: SchedulerLimits
  readonly #workers: WorkerTable

  /** @param auditEvery one lease in this many is audited; 0: none */
  constructor({ id, kind, shards }: Task, limits: SchedulerLimits, workers: WorkerTable, auditEvery: number) {
    this.id = id
    this.kind = kind
    this.shards = new TaskShards(shards)
    this.audits = new Audits(workers, this.shards, auditEvery)
    this.stragglers = new StragglerPolicy(limits, workers, this.shards, kind)
    this.#limits = limits
    this.#workers = workers
  }

  /** When the next lease becomes overdue. Infinity: none does. */
  get nextOverdueMs(): number {
    const known = this.stragglers.knownSpeeds()
    let nextMs = Infinity
    for (const lease of this.leases.all) {
      const overdueMs = this.stragglers.overdueMs(lease, known)
      if (overdueMs > this.#workers.nowMs && overdueMs < nextMs) nextMs = overdueMs
    }
    return nextMs
  }

  /** Leases that others may compute too. */
  get late(): readonly LiveLease[] {
    const known = this.stragglers.knownSpeeds()
    const { nowMs } = this.#workers
    return this.leases.all.filter((lease) => !lease.audit && this.stragglers.overdueMs(lease, known) <= nowMs)
  }

  /** Whether a block is open or audited. */
  get hasOpen(): boolean {
    return this.audits.all.length > 0 || this.shards.has(this.#isOpen)
  }

  /** Shards of each idle worker's share. */
  shares(): Map<WorkerRecord, number> {
    return this.stragglers.shares(this.shards.countOf(this.#isOpen))
  }

  /**
   * The block that an idle worker gets. A worker for which waiting pays more is marked as passed over.
   * @param share maximum number of shards; below 1: others compute all that is open sooner, unless they are busy
   * @param late {@link ActiveTask.late}, as it was before the first worker chose
   * @returns undefined when there is none for it
   */
  choose(worker: WorkerRecord, share: number, late: readonly LiveLease[]): Choice | undefined {
    const audit = this.audits.neededFrom(worker)
    if (audit !== undefined) return { kind: 'audit', block: audit, audit }
    const block = this.shards.block(share, this.#takeable(worker, this.#isOpen))
    if (block !== undefined && this.stragglers.isWorth(worker, block)) return { kind: 'open', block }
    if (block !== undefined || share < 1) worker.passedOver = true
    return this.#chooseLate(worker, share, late)
  }

  /** The audit that a new lease on the chosen block belongs to, if any. */
  auditOf(choice: Choice, lease: number, worker: WorkerRecord): Audit | undefined {
    if (choice.kind === 'audit') return choice.audit
    return choice.kind === 'open' ? this.audits.begin(lease, choice.block, worker) : undefined
  }

  /** Whether the shards of a block failed, or were lost with their workers, too often to try again, and which of the two. */
  giveUpCause(block: Lease): 'failures' | 'losses' | undefined {
    const { failures, losses, failedBy } = this.shards.worst(block)
    const { workersPerShard, failuresPerShard, lossesPerShard } = this.#limits
    const isOften = failedBy.length >= workersPerShard || failures >= failuresPerShard
    if (isOften && this.isExhausted(block)) return 'failures'
    return losses >= lossesPerShard ? 'losses' : undefined
  }

  /** Whether no worker is left whose result could show whether a worker or the data is broken. */
  isExhausted(block: Lease): boolean {
    return this.shards.isExhausted(block, this.#workers.eligible(), this.#limits.workersPerShard)
  }

  /** A block that another worker is late with, to compute it a second time. */
  #chooseLate(worker: WorkerRecord, share: number, late: readonly LiveLease[]): Choice | undefined {
    if (late.length === 0) return undefined
    const isLate = (shard: number): boolean =>
      late.some((lease) => includesShard(lease, shard)) && this.leases.countOf(shard) < this.#limits.leasesPerShard
    const block = this.shards.block(share, this.#takeable(worker, isLate))
    if (block === undefined) return undefined
    return { kind: 'rescue', block, late: late.find((lease) => includesShard(lease, block.first))!.worker }
  }

  readonly #isOpen = (shard: number): boolean => this.leases.countOf(shard) === 0 && !this.audits.covers(shard)

  #takeable(worker: WorkerRecord, matches: (shard: number) => boolean): (shard: number) => boolean {
    const eligible = this.#workers.eligible()
    return (shard) => matches(shard) && this.shards.mayTake(shard, worker, eligible)
  }
}
