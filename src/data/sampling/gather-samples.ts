import type { ColumnValues, Dataset } from '../dataset.js'
import { isImages, sizeOf } from '../dataset.js'

/** Values of one input, `[samples, …shape]`; uint8: pixels of images. */
export type InputValues = Uint8Array | ColumnValues

/** Samples as an engine takes them. */
export interface Samples {
  /** In the order of the model's inputs. */
  readonly inputs: readonly InputValues[]
  /** Labels, int32 `[samples]`; without classes the numbers to learn, float32 `[samples, outputs]`. */
  readonly targets: Int32Array | Float32Array
}

/** Copies samples of a data set, in their order. @param samples indices */
export function gatherSamples(dataset: Dataset, samples: ArrayLike<number>): Samples {
  const inputs = isImages(dataset)
    ? [gather(dataset.pixels, dataset.height * dataset.width * dataset.channels, samples)]
    : dataset.inputs.map(({ shape }, index) => gather(dataset.inputValues[index]!, sizeOf(shape), samples))
  if (dataset.classNames.length > 0 || isImages(dataset))
    return { inputs, targets: Int32Array.from(samples, (sample) => dataset.labels[sample]!) }
  const targets = gather(dataset.targetValues[0]!, sizeOf(dataset.targets[0]!.shape), samples)
  return { inputs, targets: Float32Array.from(targets) }
}

/** @param size numbers of one sample */
function gather<Values extends InputValues>(values: Values, size: number, samples: ArrayLike<number>): Values {
  const gathered = new (values.constructor as new (length: number) => Values)(samples.length * size)
  for (let index = 0; index < samples.length; index++) {
    const sample = samples[index]!
    gathered.set(values.subarray(sample * size, (sample + 1) * size), index * size)
  }
  return gathered
}
