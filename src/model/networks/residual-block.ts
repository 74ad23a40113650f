import type { SymbolicTensor, layers } from '@tensorflow/tfjs'
import { tf } from './tfjs.js'

/** How the skip path meets a block that changes resolution or width. */
export type Shortcut =
  /** A strided 1x1 convolution with batch norm (He et al. 2015, option B). */
  | 'projection'
  /** Every second pixel, new channels zero; no parameters (option A, the paper's choice for CIFAR-10). */
  | 'identity'

export interface ResidualBlockOptions {
  /** Prefix of every layer's name. */
  readonly name: string
  readonly filters: number
  /** L2 factor of the kernels: the loss has `reg · sum(w²)`. @default 0 */
  readonly reg?: number
  /** Share of activations that dropout zeroes before the last convolution, 0 to 1. @default 0 */
  readonly dropoutRate?: number
  /** Halve height and width. @default false */
  readonly downsample?: boolean
  /** Above 1, a bottleneck of 1x1, 3x3, 1x1 convolutions whose output has `filters · expansion` channels. @default 1 */
  readonly expansion?: number
  /** @default 'projection' */
  readonly shortcut?: Shortcut
}

/** Keras's value for cuDNN, which rejects less than 1e-5. */
const BATCH_NORM_EPSILON = 1.001e-5
export const STATISTICS_MOMENTUM = 0.9

/**
 * The residual block of He et al., "Deep residual learning for image recognition" (2015): the skip connection is added
 * before the last activation.
 *
 * @param input `[batch, height, width, channel]`
 * @returns `[batch, height, width, filters · expansion]`, height and width halved (rounded up) when `downsample`
 */
export function residualBlock(input: SymbolicTensor, options: ResidualBlockOptions): SymbolicTensor {
  const {
    name,
    filters,
    reg = 0,
    dropoutRate = 0,
    downsample = false,
    expansion = 1,
    shortcut = 'projection',
  } = options
  const strides = downsample ? 2 : 1
  const outputFilters = filters * expansion
  const kernels: [filters: number, size: number, strides: number][] =
    expansion === 1
      ? [
          [filters, 3, strides],
          [filters, 3, 1],
        ]
      : [
          [filters, 1, 1],
          [filters, 3, strides],
          [outputFilters, 1, 1],
        ]

  let x = input
  kernels.forEach(([count, size, stride], index) => {
    const last = index === kernels.length - 1
    if (last && dropoutRate > 0) x = apply(tf.layers.dropout({ rate: dropoutRate, name: `${name}_dropout` }), x)
    x = convolution(x, { name: `${name}_conv${index + 1}`, filters: count, size, strides: stride, reg })
    x = batchNorm(x, `${name}_bn${index + 1}`)
    if (!last) x = relu(x, `${name}_relu${index + 1}`)
  })

  const inputFilters = input.shape.at(-1)!
  let skip = input
  if (downsample || inputFilters !== outputFilters) {
    skip =
      shortcut === 'projection'
        ? batchNorm(
            convolution(input, { name: `${name}_skip`, filters: outputFilters, size: 1, strides, reg }),
            `${name}_skip_bn`,
          )
        : zeroPaddedSkip(input, name, strides, outputFilters - inputFilters)
  }
  return relu(apply(tf.layers.add({ name: `${name}_add` }), [x, skip]), `${name}_out`)
}

export interface ConvolutionOptions {
  readonly name: string
  readonly filters: number
  readonly size: number
  readonly strides: number
  readonly reg: number
}

/** A convolution without bias (batch norm follows), padded to keep the size, weights He-uniform. */
export function convolution(
  x: SymbolicTensor,
  { name, filters, size, strides, reg }: ConvolutionOptions,
): SymbolicTensor {
  const layer = tf.layers.conv2d({
    name,
    filters,
    kernelSize: size,
    strides,
    padding: 'same',
    useBias: false,
    kernelInitializer: 'heUniform',
    ...(reg > 0 ? { kernelRegularizer: tf.regularizers.l2({ l2: reg }) } : {}),
  })
  return apply(layer, x)
}

export function batchNorm(x: SymbolicTensor, name: string): SymbolicTensor {
  return apply(tf.layers.batchNormalization({ name, epsilon: BATCH_NORM_EPSILON, momentum: STATISTICS_MOMENTUM }), x)
}

export function relu(x: SymbolicTensor, name: string): SymbolicTensor {
  return apply(tf.layers.activation({ activation: 'relu', name }), x)
}

export function apply(layer: layers.Layer, input: SymbolicTensor | SymbolicTensor[]): SymbolicTensor {
  return layer.apply(input) as SymbolicTensor
}

/** Subsamples, then adds zero channels on both sides. Stock layers pad only in space: so channels are swapped with the width meanwhile. */
function zeroPaddedSkip(input: SymbolicTensor, name: string, strides: number, newChannels: number): SymbolicTensor {
  const before = Math.floor(newChannels / 2)
  let x = input
  if (strides > 1) x = apply(tf.layers.averagePooling2d({ poolSize: 1, strides, name: `${name}_skip_subsample` }), x)
  x = apply(tf.layers.permute({ dims: [1, 3, 2], name: `${name}_skip_channels_in` }), x)
  const padding: [[number, number], [number, number]] = [
    [0, 0],
    [before, newChannels - before],
  ]
  x = apply(tf.layers.zeroPadding2d({ padding, name: `${name}_skip_pad` }), x)
  return apply(tf.layers.permute({ dims: [1, 3, 2], name: `${name}_skip_channels_out` }), x)
}
