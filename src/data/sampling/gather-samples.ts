import type { ColumnValues, Dataset } from '../dataset.js'
import { isImages, sizeOf } from '../dataset.js'

/** Values of one input, `[samples, …shape]`; uint8: pixels of images. */
export type InputValues = Uint8Array | ColumnValues

/** Samples as an engine takes them. */
export interface Samples {
  /** In the order of the model's inputs. */
  readonly inputs: readonly InputValues[]
  /** Of each output of the model: labels, int32 `[samples]`, or numbers to learn, float32 `[samples, numbers]`. */
  readonly targets: readonly (Int32Array | Float32Array)[]
}

/** Copies samples of a data set, in their order. @param samples indices */
export function gatherSamples(dataset: Dataset, samples: ArrayLike<number>): Samples {
  const inputs = isImages(dataset)
    ? [gather(dataset.pixels, dataset.height * dataset.width * dataset.channels, samples)]
    : dataset.inputs.map(({ shape }, index) => gather(dataset.inputValues[index]!, sizeOf(shape), samples))
  if (dataset.classNames.length > 0 || isImages(dataset))
    return { inputs, targets: [Int32Array.from(samples, (sample) => dataset.labels[sample]!)] }
  const targets = dataset.targets.map(({ shape, classNames }, index) => {
    const values = gather(dataset.targetValues[index]!, sizeOf(shape), samples)
    return classNames === undefined ? Float32Array.from(values) : Int32Array.from(values)
  })
  return { inputs, targets }
}

/**
 * What the losses of samples are multiplied by in training: the weight of the sample, times that of its class.
 * @param classWeights by label
 * @returns undefined: nothing
 */
export function gatherWeights(
  dataset: Dataset,
  classWeights: readonly number[] | undefined,
  samples: ArrayLike<number>,
): Float32Array | undefined {
  const own = isImages(dataset) || !dataset.hasWeights ? undefined : dataset.sampleWeights
  if (own === undefined && classWeights === undefined) return undefined
  return Float32Array.from(samples, (sample) => (own?.[sample] ?? 1) * (classWeights?.[dataset.labels[sample]!] ?? 1))
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
