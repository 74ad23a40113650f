import type { Audit } from './audit.js'
import type { Lease } from './scheduler-events.js'

/** A lease that a worker holds now. */
export interface LiveLease extends Lease {
  grantedMs: number
  /** False when its worker was still busy with a revoked lease: the time would include that one. */
  readonly isMeasured: boolean
  /** Heartbeats in which its worker had finished more shards than before. */
  progressReports: number
  /** The audit that it belongs to, if any. */
  readonly audit: Audit | undefined
}

/** The leases that workers hold now, by id. */
export class LiveLeases {
  readonly #byId = new Map<number, LiveLease>()
  /** Leases whose block has a shard, by shard: asked for each shard after each event. */
  readonly #perShard = new Map<number, number>()

  /** A copy: leases may end while it is read. */
  get all(): readonly LiveLease[] {
    return [...this.#byId.values()]
  }

  get(id: number): LiveLease | undefined {
    return this.#byId.get(id)
  }

  add(lease: LiveLease): void {
    this.#byId.set(lease.id, lease)
    this.#count(lease, 1)
  }

  delete(id: number): void {
    const lease = this.#byId.get(id)
    if (lease === undefined) return
    this.#byId.delete(id)
    this.#count(lease, -1)
  }

  /** Leases whose block has this shard. */
  countOf(shard: number): number {
    return this.#perShard.get(shard) ?? 0
  }

  #count({ firstShard, shardCount }: Lease, change: number): void {
    for (let shard = firstShard; shard < firstShard + shardCount; shard++)
      this.#perShard.set(shard, this.countOf(shard) + change)
  }
}
