import { augmentationRandom, drawTransform, TRANSFORM_LENGTH } from '../data/sampling/augmentation.js'
import type { Dataset, Split, SplitName } from '../data/dataset.js'
import { isImages } from '../data/dataset.js'
import { gatherSamples, gatherWeights } from '../data/sampling/gather-samples.js'
import { SampleStream } from '../data/sampling/sample-stream.js'
import { splitDataset } from '../data/sampling/split.js'
import type { Engine } from '../tensorflow/engine/engine.js'
import type { RunConfig } from '../model/config/run-config.js'
import type { RunDescription } from '../model/run-description.js'
import type { Phase, PhaseTimes } from '../metrics/phases.js'
import { KeyedRandom, PURPOSE } from '../shared/philox.js'

/**
 * Computes the vector of a shard from the config of the run, the data set and the current weights alone: its samples, their
 * augmentation and the dropped activations are keyed by (seed, step, shard), never by the worker.
 */
export class ShardComputer {
  readonly #config: RunConfig
  readonly #classWeights: readonly number[] | undefined
  readonly #dataset: Dataset
  readonly #engine: Engine
  readonly #split: Split
  readonly #stream: SampleStream
  readonly #augmentation: KeyedRandom
  readonly #dropout: KeyedRandom
  readonly #times: PhaseTimes
  #builtGradient = false
  #builtEvaluation = false

  /** @param times what each phase takes is recorded there */
  constructor({ config, model }: RunDescription, dataset: Dataset, engine: Engine, times: PhaseTimes) {
    this.#times = times
    this.#config = config
    this.#classWeights = model.classWeights
    this.#dataset = dataset
    this.#engine = engine
    this.#split = splitDataset(dataset, config.seed, config.stratified, config.validationSamples)
    this.#stream = new SampleStream(this.#split.train, config.seed)
    this.#augmentation = augmentationRandom(config.seed)
    this.#dropout = new KeyedRandom(config.seed, PURPOSE.dropout)
  }

  /**
   * The sum of the gradients of one training shard.
   * @param step from 0; @param shard 0 to batchSize / shardSize - 1
   * @returns float32, `[gradientLength(layout)]`
   */
  gradient(step: number, shard: number): Float32Array<ArrayBuffer> {
    const { batchSize, shardSize, augmentation } = this.#config
    const startedMs = performance.now()
    const { samples, epochs } = this.#stream.shard(step, shard, batchSize, shardSize)
    const gathered = gatherSamples(this.#dataset, samples)
    const weights = gatherWeights(this.#dataset, this.#classWeights, samples)
    const sampledMs = this.#record('sample', startedMs)
    const transforms = new Float32Array(shardSize * TRANSFORM_LENGTH)
    const dataset = this.#dataset
    if (augmentation.enabled && isImages(dataset)) {
      for (let index = 0; index < shardSize; index++) {
        const offset = index * TRANSFORM_LENGTH
        drawTransform(transforms, offset, augmentation, dataset, this.#augmentation, epochs[index]!, samples[index]!)
      }
    }
    const [key0, key1] = this.#dropout.words(step, shard)
    const drawnMs = this.#record('augment', sampledMs)
    const vector = this.#engine.gradient({
      ...gathered,
      ...(weights && { weights }),
      transforms,
      dropoutKey: [key0! | 0, key1! | 0],
    })
    this.#record(this.#builtGradient ? 'forward_backward' : 'build', drawnMs)
    this.#builtGradient = true
    return vector
  }

  /**
   * The sums of one evaluation shard; the last shard of a split may be smaller.
   * @returns float32, `[evaluationLength(model)]`
   */
  evaluate(split: SplitName, shard: number): Float32Array<ArrayBuffer> {
    const size = this.#config.evaluationShardSize
    const startedMs = performance.now()
    const samples = this.#split[split].subarray(shard * size, (shard + 1) * size)
    const vector = this.#engine.evaluate(gatherSamples(this.#dataset, samples))
    this.#record(this.#builtEvaluation ? 'evaluate' : 'build', startedMs)
    this.#builtEvaluation = true
    return vector
  }

  /** @returns the time now, when the next phase begins */
  #record(phase: Phase, sinceMs: number): number {
    const nowMs = performance.now()
    this.#times.record(phase, (nowMs - sinceMs) / 1000)
    return nowMs
  }
}
