import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs'
import type { ModelDescription } from '../../model/parameter-layout.js'
import type { FusedOps } from '../engine/fused-ops.js'
import type { Network } from '../engine/network.js'
import type { TensorFlow } from '../runtime/load-tensorflow.js'
import { scalePixels } from '../engine/training-step.js'

/**
 * Counts predictions by label and predicted class, and sums the loss.
 * @returns a function of weights (float32 `[weightCount]`), pixels (native uint8 `[count, height, width, channel]`) and labels
 *   (int32 `[count]`) to one float32 `[evaluationLength(classCount)]`: `[confusion[label][prediction] … | loss sum]`
 */
export function evaluationStep(
  tf: TensorFlow,
  ops: FusedOps,
  network: Network,
  { classCount }: ModelDescription,
): (...inputs: Tensor[]) => Tensor[] {
  return (...inputs) => {
    const [flatWeights, pixels, labels] = inputs as [Tensor, Tensor, Tensor]
    const logits = network.infer(network.unflatten(flatWeights as Tensor1D), scalePixels(tf, ops, pixels))
    const targets = tf.oneHot(labels, classCount).cast('float32') as Tensor2D
    const predictions = tf.oneHot(logits.argMax(1), classCount).cast('float32')
    const confusion = tf.matMul(targets, predictions as Tensor2D, true)
    const loss = ops.crossEntropy(logits, targets).sum()
    return [tf.concat1d([confusion.flatten(), loss.flatten()])]
  }
}

/** @returns a function of weights and pixels, as above, to class probabilities, float32 `[count, classCount]` */
export function predictionStep(tf: TensorFlow, ops: FusedOps, network: Network): (...inputs: Tensor[]) => Tensor[] {
  return (...inputs) => {
    const [flatWeights, pixels] = inputs as [Tensor, Tensor]
    return [tf.softmax(network.infer(network.unflatten(flatWeights as Tensor1D), scalePixels(tf, ops, pixels)))]
  }
}

/** @returns a function of weights and pixels, as above, to one float32 vector: the outputs of the layers, one after the other */
export function activationStep(
  tf: TensorFlow,
  ops: FusedOps,
  network: Network,
  layers: readonly string[],
): (...inputs: Tensor[]) => Tensor[] {
  return (...inputs) => {
    const [flatWeights, pixels] = inputs as [Tensor, Tensor]
    const weights = network.unflatten(flatWeights as Tensor1D)
    const outputs = network.activations(weights, scalePixels(tf, ops, pixels), layers)
    return [tf.concat1d(outputs.map((output) => output.flatten()))]
  }
}
