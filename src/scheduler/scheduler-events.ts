import type { RejectionCode } from '../shared/rejection.js'
import type { WorkKind } from './speeds.js'
import type { WorkerState } from './worker-states.js'

/** Something to compute once for every shard: one step's gradient, or one split's evaluation. */
export interface Task {
  readonly id: number
  readonly kind: WorkKind
  readonly shards: number
}

/** The right of one worker to compute one block of a task's shards. Granted once; then it counts, fails or is revoked. */
export interface Lease {
  readonly id: number
  readonly task: number
  readonly worker: number
  readonly firstShard: number
  readonly shardCount: number
}

/** Input of the scheduler. Each event comes with its time: the scheduler has no clock. */
export type SchedulerEvent =
  /** `machine`: host and device, which workers may be broken by alike; absent: all share one. */
  | { readonly kind: 'joined'; readonly worker: number; readonly name: string; readonly machine?: string }
  | { readonly kind: 'connected'; readonly worker: number }
  | { readonly kind: 'ready'; readonly worker: number }
  /** `workers`: those of a relay, which compute as many shards at once. @default 1 */
  | { readonly kind: 'heartbeat'; readonly worker: number; readonly shardsDone: number; readonly workers?: number }
  /** `isOrdered`: by an operator; the worker itself may be silent. */
  | { readonly kind: 'draining'; readonly worker: number; readonly isOrdered?: true }
  /** `isOwnFault`: the fault of the coordinator, which is not counted as a failure of the worker. */
  | { readonly kind: 'gone'; readonly worker: number; readonly reason: string; readonly isOwnFault?: boolean }
  | { readonly kind: 'begin'; readonly task: Task }
  | { readonly kind: 'abandon' }
  /** `hash` is of the vector's bytes; required when {@link Scheduler.needsHash} is true. */
  | { readonly kind: 'good-result'; readonly worker: number; readonly lease: number; readonly hash?: string }
  /** Not finite, absurdly large or of the wrong shape. The hash is always given: equal bad results of two workers mean bad data or a bad model. */
  | {
      readonly kind: 'bad-result'
      readonly worker: number
      readonly lease: number
      readonly code: RejectionCode
      readonly reason: string
      readonly hash: string
    }
  /** The worker could not compute it. */
  | { readonly kind: 'failed'; readonly worker: number; readonly lease: number; readonly reason: string }
  | { readonly kind: 'tick' }

/** Why shards are computed again: their worker was lost, could not compute them, or sent an invalid result. */
export type RetryCause = 'lost' | 'failed' | 'bad_result'

/** Output of the scheduler, to be carried out in order. */
export type Effect =
  | { readonly kind: 'grant'; readonly lease: Lease }
  | { readonly kind: 'revoke'; readonly lease: Lease }
  /** Add the result of this lease to the task's sum. */
  | { readonly kind: 'count'; readonly lease: Lease }
  /** Keep the result that just came until its audit ends. */
  | { readonly kind: 'keep'; readonly lease: Lease }
  /** Forget a result, kept or just come. */
  | { readonly kind: 'discard'; readonly lease: number; readonly code: 'stale' | 'audited' | 'abandoned' }
  | { readonly kind: 'done'; readonly task: number }
  /** Close its connection: it is silent, hung or stuck. */
  | { readonly kind: 'drop'; readonly worker: number; readonly reason: string }
  /** The draining worker holds no lease: it may leave. */
  | { readonly kind: 'goodbye'; readonly worker: number }
  | { readonly kind: 'state'; readonly worker: number; readonly state: WorkerState }
  | {
      readonly kind: 'reissue'
      readonly worker: number
      readonly shards: number
      readonly cause: RetryCause
      readonly reason: string
    }
  /** Another worker computes what this one is late with. */
  | { readonly kind: 'rescue'; readonly worker: number; readonly late: number; readonly shards: number }
  /** `untilMs` is Infinity for the rest of the run. */
  | { readonly kind: 'quarantine'; readonly name: string; readonly untilMs: number; readonly reason: string }
  | { readonly kind: 'audit'; readonly outcome: 'agreed' | 'mismatch' | 'unverified' | 'disputed' }
  | {
      readonly kind: 'give-up'
      readonly task: number
      readonly firstShard: number
      readonly shardCount: number
      /** same-result: two workers or more computed the same bad result, so it is the data or the model. */
      readonly cause: 'same-result' | 'failures' | 'losses'
      /** Names of the workers that failed it. */
      readonly failedBy: readonly string[]
      /** Of the last result, when it was bad. */
      readonly code: RejectionCode | undefined
      readonly reason: string
    }

/** Whether the lease's block has this shard. */
export function includesShard(lease: Lease, shard: number): boolean {
  return shard >= lease.firstShard && shard < lease.firstShard + lease.shardCount
}

/** Whether two leases have a shard in common. */
export function overlap(one: Lease, other: Lease): boolean {
  return includesShard(one, other.firstShard) || includesShard(other, one.firstShard)
}

/** A lease without what the scheduler keeps beside it. */
export function plain({ id, task, worker, firstShard, shardCount }: Lease): Lease {
  return { id, task, worker, firstShard, shardCount }
}
