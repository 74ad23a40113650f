import type { ExchangeCosts } from './exchange-costs.js'

/** A cluster and a job that may not exist. */
export interface ClusterScenario {
  readonly workers: number
  /** Workers behind each relay. 0: there are no relays, every worker joins the coordinator. */
  readonly relays: number
  /** Cores (or GPUs) that the workers share: more workers than that take turns. */
  readonly cores: number
  readonly shards: number
  readonly shardSize: number
  /** Milliseconds of one core for one shard. */
  readonly shardMs: number
  /** Relative spread of shardMs from shard to shard. */
  readonly jitter: number
  readonly vectorBytes: number
  /** Between the coordinator and the machines of its workers, or of their relays. Undefined: all workers are on its machine. */
  readonly link: ClusterLink | undefined
  /** Of vectors of this size. */
  readonly exchange: ExchangeCosts
  /** Coordinator's or relay's time for checking and adding one result. */
  readonly resultMs: number
  /** Coordinator's time between two steps. */
  readonly betweenStepsMs: number
  readonly failuresPerWorkerHour: number
  /** From a failure until the worker is back. */
  readonly restartMs: number
  readonly steps: number
  readonly seed: number
}

export interface ClusterLink {
  /** Of the coordinator's machine, each way, shared by all its members; bytes per second. */
  readonly bandwidth: number
  /** One way, milliseconds. */
  readonly latencyMs: number
}

/** A shard takes some time. */
export const MAX_JITTER = 0.9

/** What is not measured: processes of one machine, no failures. */
export const LOCAL_CLUSTER = {
  ...{ jitter: 0.05, relays: 0, link: undefined, failuresPerWorkerHour: 0, restartMs: 30_000 },
} as const
