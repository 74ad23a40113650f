import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs'
import type { FillMode } from '../../data/sampling/augmentation.js'
import type { NativeBackend, OpAttribute } from './native-backend.js'
import { nativeBackend } from './native-backend.js'
import type { TensorFlow } from '../runtime/load-tensorflow.js'

export interface BatchNormOutput {
  /** float32, the shape of the input */
  readonly normalised: Tensor4D
  /** float32, `[channel]`: over batch, height and width. Kept: the caller disposes. */
  readonly mean: Tensor1D
  /** float32, `[channel]`, with Bessel's correction, as Keras accumulates it. Kept: the caller disposes. */
  readonly variance: Tensor1D
}

/**
 * TensorFlow's fused kernels, with gradients, for functions that TensorFlow.js composes of many small ops.
 * Each function takes and returns tensors; all are float32 unless stated otherwise.
 */
export class FusedOps {
  readonly #tf: TensorFlow
  readonly #backend: NativeBackend

  constructor(tf: TensorFlow) {
    this.#tf = tf
    this.#backend = nativeBackend(tf)
  }

  /**
   * Batch normalisation with the batch's own statistics (Ioffe and Szegedy 2015): FusedBatchNormV3 and FusedBatchNormGradV3.
   * @param x `[batch, height, width, channel]`; @param scale gamma, `[channel]`; @param offset beta, `[channel]`
   */
  batchNorm(x: Tensor4D, scale: Tensor1D, offset: Tensor1D, epsilon: number): BatchNormOutput {
    const tf = this.#tf
    const backend = this.#backend
    const attributes = this.#batchNormAttributes(epsilon, true)
    let mean: Tensor1D | undefined
    let variance: Tensor1D | undefined
    const normalised = tf.customGrad((xIn, scaleIn, offsetIn, save) => {
      const empty = tf.tensor1d([])
      const inputs = [xIn, scaleIn, offsetIn, empty, empty] as Tensor[]
      const outputs = backend.executeMultipleOutputs('FusedBatchNormV3', attributes, inputs, 6)
      const [value, batchMean, batchVariance, reserve1, reserve2, reserve3] = outputs as [
        Tensor,
        Tensor1D,
        Tensor1D,
        Tensor,
        Tensor,
        Tensor,
      ]
      mean = tf.keep(batchMean)
      variance = tf.keep(batchVariance)
      ;(save as (tensors: Tensor[]) => void)([xIn as Tensor, scaleIn as Tensor, reserve1, reserve2, reserve3])
      const gradFunc = (dy: Tensor, saved: Tensor[]): Tensor[] =>
        backend
          .executeMultipleOutputs(
            'FusedBatchNormGradV3',
            attributes.filter(({ name }) => name !== 'exponential_avg_factor'),
            [dy, ...saved],
            5,
          )
          .slice(0, 3)
      return { value, gradFunc }
    })(x, scale, offset) as Tensor4D
    return { normalised, mean: mean!, variance: variance! }
  }

  /** Batch normalisation with given statistics, for inference. All `[channel]` but x. */
  batchNormInference(
    x: Tensor4D,
    scale: Tensor1D,
    offset: Tensor1D,
    mean: Tensor1D,
    variance: Tensor1D,
    epsilon: number,
  ): Tensor4D {
    const attributes = this.#batchNormAttributes(epsilon, false)
    const outputs = this.#backend.executeMultipleOutputs(
      'FusedBatchNormV3',
      attributes,
      [x, scale, offset, mean, variance],
      6,
    )
    return outputs[0] as Tensor4D
  }

  /** max(x, 0) with ReluGrad, any shape. */
  relu<T extends Tensor>(x: T): T {
    return this.#tf.customGrad((xIn, save) => {
      const value = this.#tf.relu(xIn as Tensor)
      ;(save as (tensors: Tensor[]) => void)([value])
      const gradFunc = (dy: Tensor, [y]: Tensor[]): Tensor =>
        this.#backend.executeSingleOutput('ReluGrad', [this.#floatType('T')], [dy, y!])
      return { value, gradFunc }
    })(x) as T
  }

  /**
   * Inverted dropout (Srivastava et al. 2014): zero with probability `rate`, else times 1 / (1 - rate).
   * @param key int32, `[2]`: the mask is a pure function of it
   * @param shape of the mask; where it has 1, whole rows are dropped
   */
  dropout<T extends Tensor>(x: T, rate: number, key: Tensor1D, shape: readonly number[] = x.shape): T {
    const kept = this.#tf.greaterEqual(this.uniform(shape, key), this.#tf.scalar(rate)).cast('float32')
    return this.#tf.mul(x, this.#tf.mul(kept, this.#tf.scalar(1 / (1 - rate))))
  }

  /**
   * Rows of a table: GatherV2, and UnsortedSegmentSum for the gradient. TensorFlow.js's own op reads the indices, which a graph cannot.
   * @param table `[rows, columns]`; @param indices int32, any shape
   * @returns `[…indices, columns]`
   * @throws TensorFlow's error for an index that is no row, on the CPU
   */
  gatherRows(table: Tensor2D, indices: Tensor): Tensor {
    const { binding } = this.#backend
    const int32 = (name: string): OpAttribute => ({ name, type: binding.TF_ATTR_TYPE, value: binding.TF_INT32 })
    const [rows, columns] = table.shape
    const flat = indices.flatten()
    const gathered = this.#tf.customGrad((tableIn, save) => {
      ;(save as (tensors: Tensor[]) => void)([flat])
      const value = this.#backend.executeSingleOutput(
        'GatherV2',
        [
          { name: 'batch_dims', type: binding.TF_ATTR_INT, value: 0 },
          ...[this.#floatType('Tparams'), int32('Tindices'), int32('Taxis')],
        ],
        [tableIn as Tensor, flat, this.#tf.scalar(0, 'int32')],
      )
      const gradFunc = (dy: Tensor, [at]: Tensor[]): Tensor =>
        this.#backend.executeSingleOutput(
          'UnsortedSegmentSum',
          [this.#floatType('T'), int32('Tindices'), int32('Tnumsegments')],
          [dy, at!, this.#tf.scalar(rows, 'int32')],
        )
      return { value, gradFunc }
    })(table)
    return gathered.reshape([...indices.shape, columns])
  }

  /** StatelessRandomUniform: [0, 1), a pure function of the key. @param key int32, `[2]` */
  uniform(shape: readonly number[], key: Tensor1D): Tensor {
    return this.#stateless('StatelessRandomUniform', shape, key)
  }

  /** StatelessRandomNormal: mean 0, deviation 1, a pure function of the key. @param key int32, `[2]` */
  normal(shape: readonly number[], key: Tensor1D): Tensor {
    return this.#stateless('StatelessRandomNormal', shape, key)
  }

  #stateless(name: string, shape: readonly number[], key: Tensor1D): Tensor {
    const { binding } = this.#backend
    const attributes: OpAttribute[] = [
      this.#floatType('dtype'),
      { name: 'T', type: binding.TF_ATTR_TYPE, value: binding.TF_INT32 },
      { name: 'Tseed', type: binding.TF_ATTR_TYPE, value: binding.TF_INT32 },
    ]
    return this.#backend.executeSingleOutput(name, attributes, [this.#tf.tensor1d([...shape], 'int32'), key])
  }

  /**
   * Softmax cross-entropy of each sample, natural logarithm: SoftmaxCrossEntropyWithLogits, which also computes the gradient.
   * @param logits `[batch, class]`; @param targets `[batch, class]`, rows that sum to 1
   * @returns `[batch]`
   */
  crossEntropy(logits: Tensor2D, targets: Tensor2D): Tensor1D {
    return this.#tf.customGrad((logitsIn, save) => {
      const outputs = this.#backend.executeMultipleOutputs(
        'SoftmaxCrossEntropyWithLogits',
        [this.#floatType('T')],
        [logitsIn as Tensor, targets],
        2,
      )
      ;(save as (tensors: Tensor[]) => void)([outputs[1]!])
      const gradFunc = (dy: Tensor, [backprop]: Tensor[]): Tensor => this.#tf.mul(dy.reshape([-1, 1]), backprop!)
      return { value: outputs[0]!, gradFunc }
    })(logits) as Tensor1D
  }

  /**
   * ImageProjectiveTransformV3, bilinear: output pixel (x, y) is input pixel ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k),
   * k = c0 x + c1 y + 1. No gradient.
   * @param images `[batch, height, width, channel]`; @param transforms `[batch, 8]`
   */
  projectiveTransform(images: Tensor4D, transforms: Tensor2D, fillMode: FillMode): Tensor4D {
    const { binding } = this.#backend
    const attributes: OpAttribute[] = [
      this.#floatType('dtype'),
      { name: 'interpolation', type: binding.TF_ATTR_STRING, value: 'BILINEAR' },
      { name: 'fill_mode', type: binding.TF_ATTR_STRING, value: fillMode.toUpperCase() },
    ]
    const size = this.#tf.tensor1d(images.shape.slice(1, 3), 'int32')
    const fill = this.#tf.scalar(0)
    return this.#backend.executeSingleOutput('ImageProjectiveTransformV3', attributes, [
      images,
      transforms,
      size,
      fill,
    ]) as Tensor4D
  }

  /** Native uint8 (see `uploadBytes`) to float32, 0 to 255, any shape. */
  bytesToFloat(bytes: Tensor): Tensor {
    const { binding } = this.#backend
    const attributes: OpAttribute[] = [
      { name: 'SrcT', type: binding.TF_ATTR_TYPE, value: binding.TF_UINT8 },
      { name: 'DstT', type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT },
      { name: 'Truncate', type: binding.TF_ATTR_BOOL, value: false },
    ]
    return this.#backend.executeSingleOutput('Cast', attributes, [bytes])
  }

  #floatType(name: string): OpAttribute {
    const { binding } = this.#backend
    return { name, type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT }
  }

  #batchNormAttributes(epsilon: number, training: boolean): OpAttribute[] {
    const { binding } = this.#backend
    return [
      this.#floatType('T'),
      this.#floatType('U'),
      { name: 'epsilon', type: binding.TF_ATTR_FLOAT, value: epsilon },
      { name: 'exponential_avg_factor', type: binding.TF_ATTR_FLOAT, value: 1 },
      { name: 'data_format', type: binding.TF_ATTR_STRING, value: 'NHWC' },
      { name: 'is_training', type: binding.TF_ATTR_BOOL, value: training },
    ]
  }
}
