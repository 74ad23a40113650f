import { applyGradient } from '../coordinator/apply-gradient.js'
import { Lanes } from '../coordinator/lanes/lanes.js'
import { createOptimizer } from '../coordinator/optimizer.js'
import { initialWeights } from '../model/initial-weights.js'
import { ReductionTree } from '../shared/reduction-tree.js'
import { hashOfWeights, TinyProblem } from './tiny-problem.js'

const references = new Map<string, readonly string[]>()

/** The hash of the weights after each step, the first one before any: computed in a plain loop, without workers or faults. */
export function referenceHashes(shards: number, steps: number): readonly string[] {
  const key = `${shards} ${steps}`
  const known = references.get(key)
  if (known !== undefined) return known
  const problem = new TinyProblem(shards, steps)
  const { config, model } = problem.description
  const weights = initialWeights(model.layout, config.seed)
  const optimizer = createOptimizer(config.optimizer, model.layout)
  const lanes = new Lanes({ threads: 0 })
  const planned = Math.ceil((config.epochs * problem.split.train.length) / config.batchSize)
  const hashes = [hashOfWeights(weights)]
  for (let step = 0; step < steps; step++) {
    const tree = new ReductionTree(shards)
    let sum: Float32Array<ArrayBuffer> | undefined
    for (let shard = 0; shard < shards; shard++) sum = tree.add(shard, 1, problem.gradient(step, shard, weights))
    applyGradient(weights, sum!, optimizer, model.layout, config, step, planned, lanes)
    hashes.push(hashOfWeights(weights))
  }
  references.set(key, hashes)
  return hashes
}
