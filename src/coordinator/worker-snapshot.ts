import type { WorkerStats } from '../metrics/worker-stats.js'
import type { WorkerState } from '../scheduler/worker-states.js'
import type { WorkerIdentity } from '../training/run-events.js'

/** Counts that the coordinator keeps of a worker since it joined. */
export interface WorkerCounts {
  /** Training samples whose gradients were used. */
  samples: number
  /** Results of the worker that were rejected. */
  resultsRefused: number
  /** Shards of the worker that were given to another, by cause. */
  readonly shardsReissued: { failed: number; bad_result: number }
  /** Bytes of results that came from it; of weights and samples that were sent to it over the network. */
  readonly trafficBytes: { results: number; weights: number; samples: number }
}

/** A worker at one moment: `convoy status`, page and metrics all read this. */
export interface WorkerSnapshot extends WorkerIdentity, WorkerStats, Readonly<WorkerCounts> {
  readonly state: WorkerState
  /** Since its last message. */
  readonly heartbeatAgeSeconds: number
  /** Time per training shard, divided by that of the fastest worker: 1 is the fastest. Undefined until measured. */
  readonly stragglerRatio: number | undefined
  /** Held now: 0 or 1. */
  readonly leases: number
}
