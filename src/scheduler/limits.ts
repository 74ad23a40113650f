/** Every bound of the scheduler, in one place. Times in milliseconds. */
export interface SchedulerLimits {
  /** Time between the heartbeats of a worker. */
  readonly heartbeatMs: number
  /** Missed heartbeats after which a worker is suspect: it gets no lease, and others may recompute the one that it holds. */
  readonly suspectHeartbeats: number
  /** Missed heartbeats after which a worker is disconnected. */
  readonly deadHeartbeats: number
  /** From join to the control stream. */
  readonly connectMs: number
  /** From the control stream to ready: fetching data, building the engine. */
  readonly syncMs: number
  /** A worker that finishes no shard of its lease for this long, or does not leave when it may, counts as hung and is disconnected. */
  readonly progressMs: number
  /** Workers that failed one shard, or whose result of it was rejected, before the run gives up. */
  readonly workersPerShard: number
  /** Tries of one shard before the run gives up. A worker that fails again and again passes through quarantine meanwhile. */
  readonly failuresPerShard: number
  /** Workers lost while they computed one shard, before the run gives up. */
  readonly lossesPerShard: number
  /** Workers that compute one shard at the same time. */
  readonly leasesPerShard: number
  /** A lease is overdue after this multiple of its expected time, */
  readonly overdueFactor: number
  /** plus this time, so that jitter alone does not make a short lease overdue. */
  readonly overdueSlackMs: number
  /** A worker is passed over when it would take this many times as long as another one, the rest of whose present lease is included. */
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
