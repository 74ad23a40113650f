import { isBadValue } from '../shared/rejection.js'
import type { SplitName } from '../data/dataset.js'
import { ConvoyError } from '../shared/errors.js'
import type { Work } from '../shared/protocol/messages.js'
import { ReductionTree } from '../shared/reduction-tree.js'
import type { VectorPool } from '../shared/vector-pool.js'
import type { Effect, Lease } from '../scheduler/scheduler-events.js'
import type { SliceThreads } from '../training/slices/slice-threads.js'

/** Something that all workers compute together: the sum of one vector per shard. */
export interface PoolTask {
  readonly work: Work
  /** WORK_GRADIENT: the step, from 0. */
  readonly step: number
  /** WORK_EVALUATE: the split. */
  readonly split: SplitName
  readonly shards: number
  /** Floats in a shard's vector and in the sum. */
  readonly vectorLength: number
  readonly weightsVersion: number
  /** WORK_GRADIENT: in each shard. */
  readonly trainingSamples?: number
  /** For people: what the vector holds at this index, such as `the gradient of stage1/kernel`. */
  readonly describeIndex: (index: number) => string
  /** For people: what these shards are, such as `step 12, samples 5, 17 and 30`. */
  readonly describeShards: (first: number, count: number) => string
  /** Called with the number of shards that are counted, whenever it has grown. */
  readonly onProgress?: (shards: number) => void
}

/** The task in work: its sum so far. */
export class CurrentTask {
  readonly task: PoolTask
  readonly resolve: (sum: Float32Array) => void
  readonly reject: (error: Error) => void
  readonly #tree: ReductionTree<Float32Array>
  readonly #vectors: VectorPool
  /** Results that wait for their audit, by lease. */
  readonly #kept = new Map<number, Float32Array>()
  #counted = 0
  #sum: Float32Array | undefined

  constructor(
    task: PoolTask,
    vectors: VectorPool,
    sliceThreads: SliceThreads,
    resolve: (sum: Float32Array) => void,
    reject: (error: Error) => void,
  ) {
    this.task = task
    this.resolve = resolve
    this.reject = reject
    this.#vectors = vectors
    this.#tree = new ReductionTree(
      task.shards,
      (vector: Float32Array) => {
        vectors.give(vector)
      },
      (left, right) => {
        sliceThreads.run({ kind: 'add', left, right }, left.length)
      },
    )
  }

  /** All shards are counted. */
  done(): void {
    this.resolve(this.#sum!)
  }

  keep(lease: number, vector: Float32Array): void {
    this.#kept.set(lease, vector)
  }

  /** @param arrived the result of this lease, unless it was kept */
  count({ id, firstShard, shardCount }: Lease, arrived: Float32Array | undefined): void {
    const vector = this.#kept.get(id) ?? arrived!
    this.#kept.delete(id)
    this.#sum = this.#tree.add(firstShard, shardCount, vector)
    this.task.onProgress?.((this.#counted += shardCount))
  }

  /** @returns whether a result of this lease was kept */
  discard(lease: number): boolean {
    const vector = this.#kept.get(lease)
    if (vector === undefined) return false
    this.#kept.delete(lease)
    this.#vectors.give(vector)
    return true
  }

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

const MAX_NAMES = 5

function listed(names: readonly string[]): string {
  const more = names.length - MAX_NAMES
  return more > 0 ? `${names.slice(0, MAX_NAMES).join(', ')} and ${more} more` : names.join(', ')
}
