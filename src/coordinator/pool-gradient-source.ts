import type { Split, SplitName } from '../data/dataset.js'
import type { RunDescription } from '../model/run-description.js'
import type { GradientSource, GradientSourceStats } from '../training/gradient-source.js'
import { vectorOf, WorkDescriber } from './describe-work.js'
import type { WeightsStore } from './weights-store.js'
import type { WorkerPool } from './worker-pool.js'

/** Sums that the workers of a pool compute. */
export class PoolGradientSource implements GradientSource {
  readonly #pool: WorkerPool
  readonly #weights: WeightsStore
  readonly #description: RunDescription
  readonly #split: Split
  readonly #describer: WorkDescriber
  #weightsVersion = 0

  constructor(pool: WorkerPool, weights: WeightsStore, description: RunDescription, split: Split) {
    this.#pool = pool
    this.#weights = weights
    this.#description = description
    this.#split = split
    this.#describer = new WorkDescriber(description.config, split)
  }

  get stats(): GradientSourceStats {
    return this.#pool.stats
  }

  publish(weights: Float32Array): void {
    this.#weightsVersion = this.#weights.publish(weights)
  }

  async gradientSum(step: number, signal: AbortSignal): Promise<Float32Array> {
    const { batchSize, shardSize } = this.#description.config
    return this.#pool.compute(
      {
        work: 'WORK_GRADIENT',
        step,
        split: 'train',
        shards: batchSize / shardSize,
        ...vectorOf('WORK_GRADIENT', this.#description),
        weightsVersion: this.#weightsVersion,
        trainingSamples: shardSize,
        describeShards: (first, count) => this.#describer.step(step, first, count),
      },
      signal,
    )
  }

  async evaluationSum(
    split: SplitName,
    step: number,
    signal: AbortSignal,
    onProgress: (samples: number) => void,
  ): Promise<Float32Array> {
    const { evaluationShardSize } = this.#description.config
    const samples = this.#split[split].length
    return this.#pool.compute(
      {
        work: 'WORK_EVALUATE',
        step,
        split,
        shards: Math.ceil(samples / evaluationShardSize),
        ...vectorOf('WORK_EVALUATE', this.#description),
        weightsVersion: this.#weightsVersion,
        describeShards: (first, count) => this.#describer.evaluation(split, first, count),
        onProgress: (shards) => {
          onProgress(Math.min(shards * evaluationShardSize, samples))
        },
      },
      signal,
    )
  }

  release(sum: Float32Array): void {
    this.#pool.vectors.give(sum)
  }
}
