import { createHash } from 'node:crypto'
import type { SplitName } from '../data/dataset.js'
import { ConvoyError } from '../shared/errors.js'
import { bytesOf } from '../shared/bytes-of.js'
import { threadsFor } from '../shared/native-loops.js'
import type { Work } from '../shared/protocol/messages.js'
import type { Rejection } from '../shared/rejection.js'
import { isBadValue } from '../shared/rejection.js'
import { addInto, ReductionTree } from '../shared/reduction-tree.js'
import type { VectorPool } from '../shared/vector-pool.js'
import type { Effect, Lease } from '../scheduler/scheduler-events.js'
import { firstBadValue } from '../training/first-bad-value.js'

/** A sum that all workers compute together: of one vector per shard. */
export interface PoolTask {
  readonly work: Work
  /** WORK_GRADIENT: the step, from 0. */
  readonly step: number
  /** WORK_EVALUATE: the split. */
  readonly split: SplitName
  readonly shards: number
  /** Number of its first shard in the step or the evaluation: a relay has a block of them. @default 0 */
  readonly firstShard?: number
  /** Floats in a shard's vector and in the sum. */
  readonly vectorLength: number
  /** Values of them, from the first, that are values of bfloat16, and travel as such over a network. @default 0 */
  readonly rounded?: number
  readonly weightsVersion: number
  /** WORK_GRADIENT: in each shard. */
  readonly trainingSamples?: number
  /** For messages: the part of the vector that this index belongs to, such as `the gradient of stage1/kernel`. */
  readonly describeIndex: (index: number) => string
  /** For messages: these shards, such as `step 12, samples 5, 17 and 30`. @param first counted from this task's first shard */
  readonly describeShards: (first: number, count: number) => string
  /** Called with the number of counted shards whenever it grows. */
  readonly onProgress?: (shards: number) => void
}

/** The task in work: its sum so far. */
export class CurrentTask {
  readonly task: PoolTask
  readonly resolve: (sum: Float32Array) => void
  readonly reject: (error: Error) => void
  readonly #tree: ReductionTree<Float32Array>
  readonly #vectors: VectorPool
  /** Results that are neither counted nor discarded yet, by lease: the one that just came, and those that wait for their audit. */
  readonly #results = new Map<number, Float32Array>()
  /** The last result of each worker in whose memory it lies. */
  readonly #borrowed = new Map<number, Float32Array>()
  #counted = 0
  #sum: Float32Array | undefined

  constructor(
    task: PoolTask,
    vectors: VectorPool,
    resolve: (sum: Float32Array) => void,
    reject: (error: Error) => void,
  ) {
    this.task = task
    this.resolve = resolve
    this.reject = reject
    this.#vectors = vectors
    this.#tree = new ReductionTree(
      task.shards,
      task.rounded,
      (vector: Float32Array) => {
        vectors.give(vector)
      },
      (left, right) => {
        addInto(left, right, threadsFor(left.length), task.rounded)
      },
    )
  }

  /** All shards are counted. */
  done(): void {
    this.resolve(this.#sum!)
  }

  /** @returns why a result cannot be used: the first value that is not finite, or absurdly large; undefined: it can */
  check(vector: Float32Array): Rejection | undefined {
    const bad = firstBadValue(vector)
    if (bad < 0) return undefined
    const value = vector[bad]!
    const where = this.task.describeIndex(bad)
    return Number.isFinite(value)
      ? { code: 'absurd', reason: `absurd (${value}) in ${where}` }
      : { code: 'not_finite', reason: `not finite in ${where}` }
  }

  /**
   * Holds the result of a lease until the scheduler decides to count or to discard it.
   * @param lender the worker in whose memory the vector lies; undefined: it is the pool's
   */
  arrived(lease: number, vector: Float32Array, lender?: number): void {
    this.#results.set(lease, vector)
    if (lender !== undefined) this.#borrowed.set(lender, vector)
  }

  /** The worker gets a lease, and will write over its memory: what is needed of its last result is copied. */
  returnTo(lender: number): void {
    const vector = this.#borrowed.get(lender)
    if (vector === undefined) return
    this.#borrowed.delete(lender)
    for (const [lease, result] of this.#results)
      if (result === vector) this.#results.set(lease, this.#vectors.copy(vector))
    this.#tree.replace(vector, () => this.#vectors.copy(vector))
  }

  /** Adds the result of this lease to the sum. */
  count({ id, firstShard, shardCount }: Lease): void {
    const vector = this.#results.get(id)!
    this.#results.delete(id)
    this.#sum = this.#tree.add(firstShard, shardCount, vector)
    this.task.onProgress?.((this.#counted += shardCount))
  }

  /** The result of this lease is not needed. */
  discard(lease: number): void {
    const vector = this.#results.get(lease)
    if (vector === undefined) return
    this.#results.delete(lease)
    this.#vectors.give(vector)
  }

  /** No sum: a shard cannot be computed. Rejects the promise of the task. */
  giveUp({ firstShard, shardCount, cause, code, reason, failedBy }: Extract<Effect, { kind: 'give-up' }>): void {
    const what = this.task.describeShards(firstShard, shardCount)
    const why = {
      'same-result': `the same bad result came from every worker that was asked (${listed(failedBy)}), so it is the data or the model: ${reason}`,
      failures: `it failed on every try (by ${listed(failedBy)}), the last time with: ${reason}`,
      losses: `too many workers were lost over it, the last one with: ${reason}`,
    }[cause]
    const advice = isBadValue(code)
      ? ' If the training diverged, a lower learning rate (--learning-rate) or gradient clipping (--set clipNorm=1) helps.'
      : ''
    this.reject(new ConvoyError('training', `${what} cannot be computed: ${why}.${advice}`))
  }
}

/** sha256 (hex) of the bytes of a vector. */
export function hashOf(vector: Float32Array): string {
  return createHash('sha256').update(bytesOf(vector)).digest('hex')
}

const MAX_NAMES = 5

function listed(names: readonly string[]): string {
  const more = names.length - MAX_NAMES
  return more > 0 ? `${names.slice(0, MAX_NAMES).join(', ')} and ${more} more` : names.join(', ')
}
