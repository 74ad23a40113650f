import type { Scalar, Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs'
import type { NumberLoss, NumbersObjective } from '../../model/objective.js'
import type { ModelDescription } from '../../model/parameter-layout.js'
import type { TensorFlow } from '../runtime/load-tensorflow.js'
import type { FusedOps } from './fused-ops.js'

/** What a network's output is compared with, and how. Sums are over the samples of a shard; each is one number. */
export interface ObjectiveOps {
  /** @param output of the network, `[samples, outputs]`; @param targets as they are uploaded */
  trainingLoss(output: Tensor, targets: Tensor): Scalar
  /** The number of correct predictions; without classes the absolute error, a mean over the outputs. */
  quality(output: Tensor, targets: Tensor): Scalar
  /** float32, `[evaluationLength(model)]` */
  evaluation(output: Tensor, targets: Tensor): Tensor1D
  /** Probabilities of classes, or the numbers: `[samples, outputs]`. */
  prediction(output: Tensor): Tensor
}

export function objectiveOps(
  tf: TensorFlow,
  ops: FusedOps,
  model: ModelDescription,
  labelSmoothing: number,
): ObjectiveOps {
  return model.objective ? numbersOps(tf, model.objective) : classesOps(tf, ops, model.classCount, labelSmoothing)
}

/** Targets are labels, int32 `[samples]`; outputs are logits. */
function classesOps(tf: TensorFlow, ops: FusedOps, classCount: number, labelSmoothing: number): ObjectiveOps {
  const oneHot = (labels: Tensor): Tensor2D => tf.oneHot(labels, classCount).cast('float32') as Tensor2D
  return {
    trainingLoss: (logits, labels) => {
      const smoothed = tf.add(oneHot(labels).mul(1 - labelSmoothing), labelSmoothing / classCount) as Tensor2D
      return ops.crossEntropy(logits as Tensor2D, smoothed).sum()
    },
    quality: (logits, labels) => tf.equal(logits.argMax(1), labels).cast('float32').sum(),
    evaluation: (logits, labels) => {
      const targets = oneHot(labels)
      const predictions = tf.oneHot(logits.argMax(1), classCount).cast('float32')
      const confusion = tf.matMul(targets, predictions as Tensor2D, true)
      const loss = ops.crossEntropy(logits as Tensor2D, targets).sum()
      return tf.concat1d([confusion.flatten(), loss.flatten()])
    },
    prediction: (logits) => tf.softmax(logits),
  }
}

/** Targets are float32 `[samples, outputs]`. */
function numbersOps(tf: TensorFlow, { loss, targetMeans }: NumbersObjective): ObjectiveOps {
  const lossSum = (output: Tensor, targets: Tensor): Scalar =>
    tf.mean(NUMBER_LOSS_OPS[loss](tf, tf.sub(output, targets)), -1).sum()
  return {
    trainingLoss: lossSum,
    quality: (output, targets) => tf.mean(tf.abs(tf.sub(output, targets)), -1).sum(),
    evaluation: (output, targets) => {
      const error = tf.sub(output, targets)
      const shift = tf.sub(targets, tf.tensor1d([...targetMeans]))
      const sums = [tf.abs(error), tf.square(error), shift, tf.square(shift)].map((values) => tf.sum(values, 0))
      return tf.concat1d([tf.stack(sums, 1).flatten(), lossSum(output, targets).flatten()])
    },
    prediction: (output) => output,
  }
}

/** Of each output's error, prediction minus target. */
const NUMBER_LOSS_OPS: Readonly<Record<NumberLoss, (tf: TensorFlow, error: Tensor) => Tensor>> = {
  meanSquaredError: (tf, error) => tf.square(error),
  meanAbsoluteError: (tf, error) => tf.abs(error),
  // Huber 1964 with delta 1: half the square up to 1, linear beyond.
  huberLoss: (tf, error) => {
    const size = tf.abs(error)
    const near = tf.minimum(size, 1)
    return tf.add(tf.mul(tf.square(near), 0.5), tf.sub(size, near))
  },
}
