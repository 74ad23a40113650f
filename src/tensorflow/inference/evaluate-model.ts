import type { Dataset } from '../../data/dataset.js'
import type { Engine } from '../engine/engine.js'
import type { RunConfig } from '../../model/config/run-config.js'
import type { Evaluation } from '../../model/decode-evaluation.js'
import { decodeEvaluation } from '../../model/decode-evaluation.js'
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
  dataset: Dataset,
  samples: Uint32Array,
  onProgress: (done: number, total: number) => void,
): Evaluation {
  const { pixels, labels, height, width, channels, classNames } = dataset
  const imageBytes = height * width * channels
  const classes = classNames.length
  const counts = new Float64Array(classes * classes)
  const tree = new ReductionTree(Math.ceil(samples.length / config.evaluationShardSize))
  let lossSum = 0
  for (let first = 0; first < samples.length; first += config.evaluationShardSize) {
    const shard = samples.subarray(first, first + config.evaluationShardSize)
    const gathered = new Uint8Array(shard.length * imageBytes)
    shard.forEach((sample, index) => {
      gathered.set(pixels.subarray(sample * imageBytes, (sample + 1) * imageBytes), index * imageBytes)
    })
    const vector = engine.evaluate({ pixels: gathered, labels: Int32Array.from(shard, (sample) => labels[sample]!) })
    counts.forEach((_, cell) => (counts[cell]! += vector[cell]!))
    const whole = tree.add(first / config.evaluationShardSize, 1, vector.slice(classes * classes))
    if (whole) lossSum = whole[0]!
    onProgress(first + shard.length, samples.length)
  }
  return decodeEvaluation(counts, lossSum, classes, samples.length)
}
