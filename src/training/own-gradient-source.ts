import { setImmediate as yieldToEvents } from 'node:timers/promises'
import type { Split, SplitName } from '../data/dataset.js'
import { roundedCount } from '../model/rounded-count.js'
import type { RunDescription } from '../model/run-description.js'
import { ReductionTree } from '../shared/reduction-tree.js'
import type { GradientSource } from './gradient-source.js'
import type { OwnShards } from './own-compute.js'

export interface OwnGradientSourceOptions {
  readonly description: RunDescription
  readonly split: Split
  readonly shards: OwnShards
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** Training shards that are measured: a median that slow ones do not move. */
const MEASURED = 9

/**
 * Sums that this process computes itself, shard by shard, without any message: for a step of a millisecond each would cost more than the
 * computation. Between shards other events of the process are handled.
 */
export class OwnGradientSource implements GradientSource {
  /** `shardMs` is a median, 0 until enough shards were measured. */
  readonly stats = { workers: 1, peakWorkers: 1, reissued: 0, reduceMs: 0, shardMs: 0, resultMs: 0 }
  readonly #options: OwnGradientSourceOptions
  #weights: Float32Array | undefined
  /** Times of the first training shards, without the very first, which builds the graph. */
  readonly #timesMs: number[] = []
  #hasBuilt = false

  constructor(options: OwnGradientSourceOptions) {
    this.#options = options
  }

  publish(weights: Float32Array): void {
    this.#weights = weights
  }

  async gradientSum(step: number, signal: AbortSignal): Promise<Float32Array> {
    const { description, shards, now } = this.#options
    const { batchSize, shardSize } = description.config
    const rounded = roundedCount('WORK_GRADIENT', description)
    return this.#sum(batchSize / shardSize, rounded, signal, (shard) => {
      const startedMs = now()
      const vector = shards.gradient(step, shard)
      this.#measured(now() - startedMs)
      return vector
    })
  }

  async evaluationSum(
    split: SplitName,
    _step: number,
    signal: AbortSignal,
    onProgress: (samples: number) => void,
  ): Promise<Float32Array> {
    const { description, split: splits, shards } = this.#options
    const { evaluationShardSize } = description.config
    const samples = splits[split].length
    return this.#sum(Math.ceil(samples / evaluationShardSize), 0, signal, (shard) => {
      const vector = shards.evaluate(split, shard)
      onProgress(Math.min((shard + 1) * evaluationShardSize, samples))
      return vector
    })
  }

  release(): void {
    // Each sum has memory of its own.
  }

  #measured(ms: number): void {
    if (this.stats.shardMs > 0) return
    if (this.#hasBuilt) this.#timesMs.push(ms)
    this.#hasBuilt = true
    if (this.#timesMs.length === MEASURED)
      this.stats.shardMs = this.#timesMs.toSorted((a, b) => a - b)[Math.floor(MEASURED / 2)]!
  }

  async #sum(
    count: number,
    rounded: number,
    signal: AbortSignal,
    compute: (shard: number) => Float32Array<ArrayBuffer>,
  ): Promise<Float32Array> {
    const { shards } = this.#options
    const tree = new ReductionTree(count, rounded)
    let sum: Float32Array | undefined
    for (let shard = 0; shard < count; shard++) {
      await yieldToEvents()
      signal.throwIfAborted()
      if (shard === 0) shards.setWeights(this.#weights!)
      sum = tree.addShard(shard, compute(shard))
    }
    return sum!
  }
}
