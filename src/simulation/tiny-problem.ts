import { createHash } from 'node:crypto'
import type { Split, SplitName } from '../data/dataset.js'
import { SampleStream } from '../data/sampling/sample-stream.js'
import type { ParameterLayout } from '../model/parameter-layout.js'
import { evaluationLength } from '../model/objectives/evaluation.js'
import { gradientLength } from '../model/parameter-layout.js'
import type { Wire } from '../model/config/run-config.js'
import { runConfigSchema } from '../model/config/run-config.js'
import { roundedCount } from '../model/rounded-count.js'
import type { RunDescription } from '../model/run-description.js'
import { bytesOf } from '../shared/bytes-of.js'
import { philox } from '../shared/philox.js'

const CLASSES = 2
const WEIGHTS = 4
const STATISTICS = 2
const TRAIN = 60
const EVALUATION = 20

const layout: ParameterLayout = {
  tensors: [
    {
      ...{ name: 'dense/kernel', shape: [2, 2], offset: 0, size: WEIGHTS, trainable: true, l2: 0.01 },
      initializer: { kind: 'uniform', limit: 1 },
    },
    {
      ...{ name: 'norm/mean', shape: [STATISTICS], offset: WEIGHTS, size: STATISTICS, trainable: false, l2: 0 },
      initializer: { kind: 'constant', value: 0 },
    },
  ],
  trainableCount: WEIGHTS,
  weightCount: WEIGHTS + STATISTICS,
  statisticsMomentum: 0.9,
}

/**
 * A training problem of six numbers, with the real configuration, sample stream, layout and optimizer. A shard's vector depends
 * on its samples and on every weight, and float addition in another order gives other bits: every fault changes the weights.
 */
export class TinyProblem {
  readonly description: RunDescription
  readonly split: Split
  readonly rounded: number
  readonly #stream: SampleStream
  readonly #words = new Uint32Array(4)

  /** @param shards per step @param wire number format of gradients @param train number of training samples; an epoch ends after so many */
  constructor(shards: number, steps: number, wire: Wire = 'float32', train = TRAIN) {
    const config = runConfigSchema.parse({
      ...{
        network: { name: 'resnet8' },
        augmentation: {},
        optimizer: { kind: 'sgd' },
        schedule: { kind: 'cosine', peak: 0.1 },
      },
      ...{ batchSize: 2 * shards, shardSize: 2, evaluationShardSize: 3, seed: 7, maxSteps: steps, wire },
      epochs: Math.ceil((steps * 2 * shards) / train),
    })
    this.description = {
      config,
      model: { topology: {}, layout, inputShape: [1, 1, 1], classCount: CLASSES },
      dataset: {
        ...{ name: 'tiny', fingerprint: 'tiny', count: train + 2 * EVALUATION, height: 1, width: 1, channels: 1 },
        classNames: ['yes', 'no'],
      },
    }
    this.rounded = roundedCount('WORK_GRADIENT', this.description)
    const range = (first: number, count: number): Uint32Array =>
      Uint32Array.from({ length: count }, (_, i) => first + i)
    this.split = {
      train: range(0, train),
      validation: range(train, EVALUATION),
      test: range(train + EVALUATION, EVALUATION),
    }
    this.#stream = new SampleStream(this.split.train, config.seed)
  }

  get splitSizes(): Readonly<Record<SplitName, number>> {
    const { train, validation, test } = this.split
    return { train: train.length, validation: validation.length, test: test.length }
  }

  samplesOf(step: number, shard: number): ReturnType<SampleStream['shard']> {
    const { batchSize, shardSize } = this.description.config
    return this.#stream.shard(step, shard, batchSize, shardSize)
  }

  /** @returns float32, `[gradientLength(layout)]`, as a worker would compute it */
  gradient(step: number, shard: number, weights: Float32Array): Float32Array<ArrayBuffer> {
    const { samples, epochs } = this.samplesOf(step, shard)
    const vector = new Float32Array(gradientLength(layout))
    const mixed = weights.reduce((sum, weight, index) => sum + weight * (index + 1), 0)
    samples.forEach((sample, place) => {
      philox(this.#words, sample, epochs[place]!, 0, 0, 0, 0)
      for (let index = 0; index < layout.weightCount; index++) {
        const noise = this.#words[index % 4]! / 2 ** 32 - 0.5
        vector[index] = vector[index]! + Math.fround(noise * (1 + index) + 0.1 * mixed)
      }
    })
    vector[layout.weightCount] = Math.abs(mixed)
    vector[layout.weightCount + 1] = samples[0]! % 2
    return vector
  }

  /** @returns float32, `[evaluationLength(2)]` */
  evaluate(split: SplitName, shard: number, weights: Float32Array): Float32Array<ArrayBuffer> {
    const size = this.description.config.evaluationShardSize
    const vector = new Float32Array(evaluationLength({ classCount: CLASSES }))
    for (const sample of this.split[split].subarray(shard * size, (shard + 1) * size)) {
      const isRight = (sample + (weights[0]! > 0 ? 1 : 0)) % 3 > 0
      const index = (sample % CLASSES) * CLASSES + (isRight ? sample % CLASSES : 1 - (sample % CLASSES))
      vector[index] = vector[index]! + 1
      vector[CLASSES * CLASSES] = vector[CLASSES * CLASSES]! + Math.abs(weights[1]!)
    }
    return vector
  }
}

export function hashOfWeights(weights: Float32Array): string {
  return createHash('sha256').update(bytesOf(weights)).digest('hex').slice(0, 16)
}
