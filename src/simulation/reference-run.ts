import type { SplitName } from '../data/dataset.js'
import type { Wire } from '../model/config/run-config.js'
import { ConvoyError } from '../shared/errors.js'
import { PlainGradientSource } from '../training/plain-gradient-source.js'
import { Trainer } from '../training/trainer.js'
import { hashOfWeights, TinyProblem } from './tiny-problem.js'

const references = new Map<string, Promise<readonly string[]>>()

/**
 * The hash of the weights after each step, the first one before any: computed in a plain loop, without workers or faults.
 * @throws ConvoyError('internal') when a sample is not used once per epoch
 */
export async function referenceHashes(shards: number, steps: number, wire: Wire): Promise<readonly string[]> {
  const key = `${shards} ${steps} ${wire}`
  const hashes = references.get(key) ?? plainRun(shards, steps, wire)
  references.set(key, hashes)
  return hashes
}

async function plainRun(shards: number, steps: number, wire: Wire): Promise<readonly string[]> {
  const problem = new TinyProblem(shards, steps, wire)
  checkSamples(problem, shards, steps)
  const { signal } = new AbortController()
  const gradients = sourceOf(problem)
  const trainer = new Trainer({
    ...{ description: problem.description, splitSizes: problem.splitSizes, gradients, signal, stopSignal: signal },
    ...{ observer: () => undefined, now: () => 0 },
  })
  gradients.publish(trainer.state.weights)
  const hashes = [hashOfWeights(trainer.state.weights)]
  for (let step = 0; step < steps; step++) {
    await trainer.step()
    hashes.push(hashOfWeights(trainer.state.weights))
  }
  return hashes
}

/** The vector of a whole split, computed likewise. @returns float32, `[evaluationLength(2)]` */
export async function referenceEvaluation(
  problem: TinyProblem,
  split: SplitName,
  weights: Float32Array,
): Promise<Float32Array> {
  const gradients = sourceOf(problem)
  gradients.publish(weights)
  return gradients.evaluationSum(split, 0, new AbortController().signal)
}

function sourceOf(problem: TinyProblem): PlainGradientSource {
  const { batchSize, shardSize, evaluationShardSize } = problem.description.config
  const shardsOf = (samples: number): number => Math.ceil(samples / evaluationShardSize)
  const { train, validation, test } = problem.splitSizes
  return new PlainGradientSource(problem, {
    batch: batchSize / shardSize,
    split: { train: shardsOf(train), validation: shardsOf(validation), test: shardsOf(test) },
  })
}

/** Each sample is used once per epoch. */
function checkSamples(problem: TinyProblem, shards: number, steps: number): void {
  const used = new Set<string>()
  for (let step = 0; step < steps; step++)
    for (let shard = 0; shard < shards; shard++) {
      const { samples, epochs } = problem.samplesOf(step, shard)
      samples.forEach((sample, place) => used.add(`${epochs[place]} ${sample}`))
    }
  const samplesSeen = steps * problem.description.config.batchSize
  const epochsBegun = new Set([...used].map((use) => use.split(' ')[0])).size
  if (used.size !== samplesSeen || epochsBegun !== Math.ceil(samplesSeen / problem.split.train.length))
    throw new ConvoyError('internal', 'a sample is used twice in one epoch')
}
