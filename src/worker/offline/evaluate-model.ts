import type { Dataset } from '../../data/dataset.js'
import type { Engine } from '../../engine/engine.js'
import { evaluationLength } from '../../model/parameter-layout.js'
import type { RunConfig } from '../../model/run-config.js'

export interface Evaluation {
  readonly samples: number
  /** Mean cross-entropy per sample, natural logarithm. */
  readonly loss: number
  /** 0 to 1 */
  readonly accuracy: number
  /** `confusion[label][prediction]`: sample counts. */
  readonly confusion: readonly (readonly number[])[]
}

/**
 * Measures the engine's weights on samples of a data set with the model's classes, each sample once.
 * @param samples indices, at least one
 * @param onProgress samples done so far
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
  const sum = new Float64Array(evaluationLength(classes))
  for (let first = 0; first < samples.length; first += config.evaluationShardSize) {
    const shard = samples.subarray(first, first + config.evaluationShardSize)
    const gathered = new Uint8Array(shard.length * imageBytes)
    shard.forEach((sample, index) => {
      gathered.set(pixels.subarray(sample * imageBytes, (sample + 1) * imageBytes), index * imageBytes)
    })
    const vector = engine.evaluate({ pixels: gathered, labels: Int32Array.from(shard, (sample) => labels[sample]!) })
    vector.forEach((value, index) => (sum[index]! += value))
    onProgress(first + shard.length, samples.length)
  }
  const confusion = Array.from({ length: classes }, (_, label) => [
    ...sum.subarray(label * classes, (label + 1) * classes),
  ])
  const correct = confusion.reduce((total, row, label) => total + row[label]!, 0)
  return {
    samples: samples.length,
    loss: sum.at(-1)! / samples.length,
    accuracy: correct / samples.length,
    confusion,
  }
}
