import type { ParameterLayout } from '../../model/parameter-layout.js'

/** Size limit of an inspection as JSON: 1 MB for the recipes, more for larger images. */
export const MAX_INSPECTION_BYTES = 256e6

/** The first layer's kernels. */
export interface Kernels {
  /** `[height, width, channel, kernel]` */
  readonly shape: readonly [number, number, number, number]
  /** The largest weight, either sign. */
  readonly largest: number
  /** int8 in base64, in the order of `shape`: 127 is `largest`. */
  readonly values: string
}

/** An image of the data set, with the network's output for it. */
export interface InspectedImage {
  /** Its index in the data set. */
  readonly sample: number
  readonly label: number
  /** uint8 in base64, `[height, width, channel]`. */
  readonly pixels: string
  /** Of all classes. */
  readonly probabilities: readonly number[]
  /** uint8 in base64: of each block its channels, each `[height, width]`. The brightest spot of a block is 255. */
  readonly maps: string
}

/** The shown part of a block's output. */
export interface InspectedBlock {
  readonly name: string
  readonly height: number
  readonly width: number
  /** The shown channels: the strongest over the shown images. */
  readonly channels: readonly number[]
  readonly channelCount: number
}

/** The inspection of the weights of a step: predictions, mistakes, feature maps. Made by inspectModel. */
export interface Inspection {
  readonly step: number
  /** Of the weights, their data set and its classes. Absent in those of earlier versions. */
  readonly weightsSha256?: string
  readonly dataset?: { readonly name: string; readonly fingerprint: string }
  readonly classNames?: readonly string[]
  readonly split: string
  /** Classified images, and images of the split. */
  readonly examined: number
  readonly splitSize: number
  readonly mistakeCount: number
  readonly accuracy: number
  /** `[height, width, channel]` */
  readonly imageShape: readonly [number, number, number]
  readonly blocks: readonly InspectedBlock[]
  readonly samples: readonly InspectedImage[]
  /** The most probable wrong answers. */
  readonly mistakes: readonly InspectedImage[]
}

/**
 * The first convolution's kernels out of a flat vector of weights; undefined when the model begins with something else.
 * @param weights float32, `[layout.weightCount]`
 */
export function kernelsOf(layout: ParameterLayout, weights: Float32Array): Kernels | undefined {
  const first = layout.tensors.find(({ shape }) => shape.length === 4)
  if (first === undefined || weights.length !== layout.weightCount) return undefined
  const values = weights.subarray(first.offset, first.offset + first.size)
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const scaled = Int8Array.from(values, (value) => Math.round((127 * value) / (largest || 1)))
  return {
    shape: first.shape as readonly number[] as Kernels['shape'],
    largest,
    values: Buffer.from(scaled.buffer).toString('base64'),
  }
}
