import type { Dataset } from '../../data/dataset.js'
import { gatherSamples } from '../../data/sampling/gather-samples.js'
import type { ModelDescription } from '../../model/parameter-layout.js'
import type { Engine } from '../engine/engine.js'
import type { RunConfig } from '../../model/config/run-config.js'
import type { Evaluation } from '../../model/objectives/evaluation.js'
import { decodeEvaluation, evaluationLength } from '../../model/objectives/evaluation.js'
import { ReductionTree } from '../../shared/reduction-tree.js'

/**
 * Measures the engine's weights on samples of a data set with the model's classes, each sample once. Losses are added in the same
 * order as in a run, so that the run's own split gives the same numbers.
 * @param samples indices, at least one
 * @param onProgress receives the number of samples done
 */
export function evaluateModel(
  engine: Engine,
  config: Pick<RunConfig, 'evaluationShardSize'>,
  model: ModelDescription,
  dataset: Dataset,
  samples: Uint32Array,
  onProgress: (done: number, total: number) => void,
): Evaluation {
  const lossIndex = evaluationLength(model) - 1
  const counts = new Float64Array(lossIndex)
  const tree = new ReductionTree(Math.ceil(samples.length / config.evaluationShardSize))
  let sums: Float32Array | undefined
  for (let first = 0; first < samples.length; first += config.evaluationShardSize) {
    const shard = samples.subarray(first, first + config.evaluationShardSize)
    const vector = engine.evaluate(gatherSamples(dataset, shard))
    counts.forEach((_, index) => (counts[index]! += vector[index]!))
    sums = tree.add(first / config.evaluationShardSize, 1, vector)
    onProgress(first + shard.length, samples.length)
  }
  return decodeEvaluation(model.objectives ? sums! : counts, sums![lossIndex]!, model, samples.length)
}
