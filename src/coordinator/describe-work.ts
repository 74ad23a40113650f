import type { SplitName } from '../data/dataset.js'
import type { Split } from '../data/dataset.js'
import { SampleStream } from '../data/sampling/sample-stream.js'
import { evaluationLength } from '../model/objectives/evaluation.js'
import { roundedCount } from '../model/rounded-count.js'
import type { RunDescription } from '../model/run-description.js'
import type { ModelDescription, ParameterLayout } from '../model/parameter-layout.js'
import { gradientLength, measuresOf } from '../model/parameter-layout.js'
import type { RunConfig } from '../model/config/run-config.js'
import type { Work } from '../shared/protocol/messages.js'
import type { PoolTask } from './pool-task.js'

/** Samples that an error names; the rest is counted. */
const MAX_NAMED = 16

/** The vectors of a kind of work: their length and their parts. */
export function vectorOf(
  work: Work,
  description: RunDescription,
): Pick<PoolTask, 'vectorLength' | 'rounded' | 'describeIndex'> {
  const { model } = description
  const { layout } = model
  const rounded = roundedCount(work, description)
  return work === 'WORK_GRADIENT'
    ? { vectorLength: gradientLength(layout), rounded, describeIndex: (index) => gradientPart(layout, index) }
    : { vectorLength: evaluationLength(model), rounded, describeIndex: (index) => evaluationPart(model, index) }
}

/** The part of a gradient vector that this index belongs to, for messages. */
function gradientPart(layout: ParameterLayout, index: number): string {
  const { tensors, weightCount } = layout
  const tensor = tensors.find(({ offset, size }) => index >= offset && index < offset + size)
  if (tensor !== undefined) return `the ${tensor.trainable ? 'gradient' : 'batch statistics'} of ${tensor.name}`
  return `the ${index === weightCount ? 'loss' : measuresOf(layout)[index - weightCount - 1]!}`
}

/** The part of an evaluation vector that this index belongs to, for messages. */
function evaluationPart(model: ModelDescription, index: number): string {
  if (index === evaluationLength(model) - 1) return 'the loss'
  return model.objectives ? 'the measures' : 'the confusion matrix'
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

/** Shards, for messages: `shards 2 to 3`. */
export function describeShards(first: number, count: number): string {
  return count === 1 ? `shard ${first}` : `shards ${first} to ${first + count - 1}`
}

function describe(first: number, count: number, samples: readonly number[]): string {
  const more = samples.length > MAX_NAMED ? ` and ${samples.length - MAX_NAMED} more` : ''
  return `${describeShards(first, count)} (samples ${samples.slice(0, MAX_NAMED).join(', ')}${more})`
}
