import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs'
import type { EngineOptions } from './engine.js'
import type { FusedOps } from './fused-ops.js'
import type { Network } from './network.js'
import type { TensorFlow } from '../runtime/load-tensorflow.js'

/** Inputs of the training step, in order. */
export type TrainingInputs = [
  /** float32, `[layout.weightCount]` */
  weights: Tensor,
  /** native uint8, `[shard, height, width, channel]` */
  pixels: Tensor,
  /** int32, `[shard]` */
  labels: Tensor,
  /** float32, `[shard, 8]` */
  transforms: Tensor,
  /** int32, `[2]` */
  dropoutKey: Tensor,
]

/**
 * The training step of a worker, from bytes to the gradient vector, as one pure function that can be captured.
 * @returns a function to one float32 `[gradientLength(layout)]`: gradient sums, batch statistics, loss sum, correct count
 */
export function trainingStep(
  tf: TensorFlow,
  ops: FusedOps,
  network: Network,
  { model, labelSmoothing, fillMode, augment }: EngineOptions,
): (...inputs: Tensor[]) => Tensor[] {
  const { classCount, layout } = model
  return (...inputs) => {
    const [flatWeights, pixels, labels, transforms, dropoutKey] = inputs as TrainingInputs

    const unit = scalePixels(tf, ops, pixels)
    const images = augment ? ops.projectiveTransform(unit, transforms as Tensor2D, fillMode) : unit
    const hard = tf.oneHot(labels, classCount).cast('float32') as Tensor2D
    const targets = tf.add(hard.mul(1 - labelSmoothing), labelSmoothing / classCount) as Tensor2D

    const weights = network.unflatten(flatWeights as Tensor1D)
    const parameters = weights.filter((_, index) => layout.tensors[index]!.trainable)
    const movingStatistics = weights.slice(parameters.length)
    let correct: Tensor | undefined
    let statistics: Map<string, Tensor1D> | undefined
    const { value: loss, grads } = tf.valueAndGrads((...current: Tensor[]) => {
      const pass = network.train([...current, ...movingStatistics], images, dropoutKey as Tensor1D)
      statistics = pass.statistics
      correct = tf.keep(tf.equal(pass.logits.argMax(1), labels).cast('float32').sum())
      return ops.crossEntropy(pass.logits, targets).sum() as never
    })(parameters)

    const statisticsInOrder = layout.tensors
      .filter(({ trainable }) => !trainable)
      .map(({ name }) => statistics!.get(name)!)
    const flat = [...grads, ...statisticsInOrder, loss, correct!].map((tensor) => tensor.flatten())
    const vector = tf.concat1d(flat)
    tf.dispose([...statisticsInOrder, correct!])
    return [vector]
  }
}

/** Bytes to float32 in [0, 1]. */
export function scalePixels(tf: TensorFlow, ops: FusedOps, pixels: Tensor): Tensor4D {
  return tf.mul(ops.bytesToFloat(pixels), 1 / 255)
}
