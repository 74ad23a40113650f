/** Every bound of the scheduler, in one place. Times in milliseconds. */
export interface SchedulerLimits {
  /** Time between the heartbeats of a worker. */
  readonly heartbeatMs: number
  /** Silent for so many heartbeats: suspect, gets no lease, and others may redo the one it holds. */
  readonly suspectHeartbeats: number
  /** Silent for so many: disconnected. */
  readonly deadHeartbeats: number
  /** From join to the control stream. */
  readonly connectMs: number
  /** From the control stream to ready: fetching data, building the engine. */
  readonly syncMs: number
  /** Without a finished shard while it holds a lease, or without leaving when it may: considered hung, and disconnected. */
  readonly progressMs: number
  /** Workers that failed one shard, or whose result of it was rejected, before the run gives up. */
  readonly workersPerShard: number
  /** Tries of one shard before the run gives up. A worker that fails again and again passes through quarantine meanwhile. */
  readonly failuresPerShard: number
  /** Workers lost while they computed one shard, before the run gives up. */
  readonly lossesPerShard: number
  /** Workers that compute one shard at the same time. */
  readonly leasesPerShard: number
  /** A lease is overdue after so many times what it should have taken, */
  readonly overdueFactor: number
  /** and this much more, so that the jitter of short leases is no reason. */
  readonly overdueSlackMs: number
  /** A worker is passed over when another would have the block done so many times sooner, its present lease included. */
  readonly worthFactor: number
  /** A block is no larger than what its worker computes in this time, once its speed is known. */
  readonly longestLeaseMs: number
  /** Failures in a row, without a result that counted, that put a worker in quarantine. */
  readonly strikes: number
  /** The first quarantine; each further one is twice as long, up to the longest. */
  readonly quarantineMs: number
  readonly longestQuarantineMs: number
  /** Names of workers that are remembered for their failures; the oldest is forgotten first. */
  readonly names: number
}

export const DEFAULT_LIMITS: SchedulerLimits = {
  heartbeatMs: 750,
  suspectHeartbeats: 2,
  deadHeartbeats: 4,
  connectMs: 10_000,
  syncMs: 600_000,
  progressMs: 120_000,
  workersPerShard: 3,
  failuresPerShard: 9,
  lossesPerShard: 32,
  leasesPerShard: 2,
  overdueFactor: 2,
  overdueSlackMs: 20,
  worthFactor: 1.2,
  longestLeaseMs: 5_000,
  strikes: 3,
  quarantineMs: 5_000,
  longestQuarantineMs: 300_000,
  names: 1_000,
}
