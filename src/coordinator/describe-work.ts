import type { SplitName } from '../data/dataset.js'
import type { Split } from '../data/dataset.js'
import { SampleStream } from '../data/sampling/sample-stream.js'
import type { ModelDescription, ParameterLayout } from '../model/parameter-layout.js'
import { evaluationLength } from '../model/parameter-layout.js'
import type { RunConfig } from '../model/config/run-config.js'

/** Samples that an error names; the rest is counted. */
const MAX_NAMED = 16

/** The part of a gradient vector that this index belongs to, for messages. */
export function gradientPart({ tensors, weightCount }: ParameterLayout, index: number): string {
  const tensor = tensors.find(({ offset, size }) => index >= offset && index < offset + size)
  if (tensor !== undefined) return `the ${tensor.trainable ? 'gradient' : 'batch statistics'} of ${tensor.name}`
  return index === weightCount ? 'the loss' : 'the number of correct predictions, or the absolute error'
}

/** The part of an evaluation vector that this index belongs to, for messages. */
export function evaluationPart(model: ModelDescription, index: number): string {
  if (index === evaluationLength(model) - 1) return 'the loss'
  return model.objective ? 'the errors' : 'the confusion matrix'
}

/** The samples of shards, for messages: `step 12, shards 2 to 3, samples 17, 4 …`. */
export class WorkDescriber {
  readonly #config: RunConfig
  readonly #split: Split
  readonly #stream: SampleStream

  constructor(config: RunConfig, split: Split) {
    this.#config = config
    this.#split = split
    this.#stream = new SampleStream(split.train, config.seed)
  }

  /** @param step from 0 */
  step(step: number, first: number, count: number): string {
    const { batchSize, shardSize } = this.#config
    const samples = Array.from({ length: count }, (_, index) => [
      ...this.#stream.shard(step, first + index, batchSize, shardSize).samples,
    ]).flat()
    return `Step ${step + 1}, ${describe(first, count, samples)}`
  }

  evaluation(split: SplitName, first: number, count: number): string {
    const size = this.#config.evaluationShardSize
    const samples = [...this.#split[split].subarray(first * size, (first + count) * size)]
    return `The evaluation on ${split}, ${describe(first, count, samples)}`
  }
}

function describe(first: number, count: number, samples: readonly number[]): string {
  const shards = count === 1 ? `shard ${first}` : `shards ${first} to ${first + count - 1}`
  const more = samples.length > MAX_NAMED ? ` and ${samples.length - MAX_NAMED} more` : ''
  return `${shards} (samples ${samples.slice(0, MAX_NAMED).join(', ')}${more})`
}
