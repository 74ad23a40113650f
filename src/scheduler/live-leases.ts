import type { Audit } from './audit.js'
import type { Lease } from './scheduler-events.js'
import { includesShard } from './scheduler-events.js'

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

  /** A copy: leases may end while it is read. */
  get all(): readonly LiveLease[] {
    return [...this.#byId.values()]
  }

  get(id: number): LiveLease | undefined {
    return this.#byId.get(id)
  }

  add(lease: LiveLease): void {
    this.#byId.set(lease.id, lease)
  }

  delete(id: number): void {
    this.#byId.delete(id)
  }

  /** Leases whose block has this shard. */
  countOf(shard: number): number {
    let count = 0
    for (const lease of this.#byId.values()) if (includesShard(lease, shard)) count++
    return count
  }
}
