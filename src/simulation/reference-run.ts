import { applyGradient } from '../training/apply-gradient.js'
import { SliceThreads } from '../training/slices/slice-threads.js'
import { createOptimizer } from '../training/optimizers/optimizer.js'
import { initialWeights } from '../model/initial-weights.js'
import { ConvoyError } from '../shared/errors.js'
import type { SplitName } from '../data/dataset.js'
import { ReductionTree } from '../shared/reduction-tree.js'
import { hashOfWeights, TinyProblem } from './tiny-problem.js'

const references = new Map<string, readonly string[]>()

/**
 * The hash of the weights after each step, the first one before any: computed in a plain loop, without workers or faults.
 * @throws ConvoyError('internal') when a sample is not used once per epoch
 */
export function referenceHashes(shards: number, steps: number): readonly string[] {
  const key = `${shards} ${steps}`
  const known = references.get(key)
  if (known !== undefined) return known
  const problem = new TinyProblem(shards, steps)
  const { config, model } = problem.description
  const weights = initialWeights(model.layout, config.seed)
  const optimizer = createOptimizer(config.optimizer, model.layout)
  const sliceThreads = new SliceThreads({ threads: 0 })
  const planned = Math.ceil((config.epochs * problem.split.train.length) / config.batchSize)
  const hashes = [hashOfWeights(weights)]
  const used = new Set<string>()
  for (let step = 0; step < steps; step++) {
    const tree = new ReductionTree(shards)
    let sum: Float32Array<ArrayBuffer> | undefined
    for (let shard = 0; shard < shards; shard++) {
      const { samples, epochs } = problem.samplesOf(step, shard)
      samples.forEach((sample, place) => used.add(`${epochs[place]} ${sample}`))
      sum = tree.add(shard, 1, problem.gradient(step, shard, weights))
    }
    applyGradient({ weights, optimizer, step }, sum!, model.layout, config, planned, sliceThreads)
    hashes.push(hashOfWeights(weights))
  }
  const samplesSeen = steps * config.batchSize
  const epochsBegun = new Set([...used].map((use) => use.split(' ')[0])).size
  if (used.size !== samplesSeen || epochsBegun !== Math.ceil(samplesSeen / problem.split.train.length))
    throw new ConvoyError('internal', 'a sample is used twice in one epoch')
  references.set(key, hashes)
  return hashes
}

/** The vector of a whole split, computed likewise. @returns float32, `[evaluationLength(2)]` */
export function referenceEvaluation(problem: TinyProblem, split: SplitName, weights: Float32Array): Float32Array {
  const shards = Math.ceil(problem.split[split].length / problem.description.config.evaluationShardSize)
  const tree = new ReductionTree(shards)
  let sum: Float32Array<ArrayBuffer> | undefined
  for (let shard = 0; shard < shards; shard++) sum = tree.add(shard, 1, problem.evaluate(split, shard, weights))
  return sum!
}
