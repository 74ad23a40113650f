import type { SplitName } from '../data/dataset.js'
import { ConvoyError } from '../shared/errors.js'
import { ReductionTree } from '../shared/reduction-tree.js'
import type { GradientSource } from './gradient-source.js'

/** Computes the vector of one shard. */
export interface ShardFunctions {
  /** @returns float32, `[gradientLength(layout)]` */
  gradient(step: number, shard: number, weights: Float32Array): Float32Array<ArrayBuffer>
  /** @returns float32, `[evaluationLength(classCount)]` */
  evaluate(split: SplitName, shard: number, weights: Float32Array): Float32Array<ArrayBuffer>
  /** Values of a gradient, from the first, that are rounded in every node of the reduction tree: see roundedCount. @default 0 */
  readonly rounded?: number
}

/** Numbers of shards: of a batch, and of each split that is evaluated. */
export interface ShardCounts {
  readonly batch: number
  readonly split: Readonly<Record<SplitName, number>>
}

/** Sums that a plain loop computes in this process, shard by shard: what every other source has to agree with. */
export class PlainGradientSource implements GradientSource {
  readonly stats = { workers: 1, peakWorkers: 1, reissued: 0, reduceMs: 0, shardMs: 0, resultMs: 0 }
  readonly #functions: ShardFunctions
  readonly #counts: ShardCounts
  #weights: Float32Array | undefined

  constructor(functions: ShardFunctions, counts: ShardCounts) {
    this.#functions = functions
    this.#counts = counts
  }

  publish(weights: Float32Array): void {
    this.#weights = weights
  }

  async gradientSum(step: number, signal: AbortSignal): Promise<Float32Array> {
    const { batch } = this.#counts
    const { rounded = 0 } = this.#functions
    return this.#sum(batch, rounded, signal, (shard, weights) => this.#functions.gradient(step, shard, weights))
  }

  async evaluationSum(split: SplitName, _step: number, signal: AbortSignal): Promise<Float32Array> {
    const count = this.#counts.split[split]
    return this.#sum(count, 0, signal, (shard, weights) => this.#functions.evaluate(split, shard, weights))
  }

  release(): void {
    // Each sum has memory of its own.
  }

  #sum(
    shards: number,
    rounded: number,
    signal: AbortSignal,
    compute: (shard: number, weights: Float32Array) => Float32Array<ArrayBuffer>,
  ): Promise<Float32Array> {
    if (this.#weights === undefined) throw new ConvoyError('internal', 'no weights were published')
    const tree = new ReductionTree(shards, rounded)
    let sum: Float32Array | undefined
    for (let shard = 0; shard < shards; shard++) {
      signal.throwIfAborted()
      sum = tree.addShard(shard, compute(shard, this.#weights))
    }
    return Promise.resolve(sum!)
  }
}
