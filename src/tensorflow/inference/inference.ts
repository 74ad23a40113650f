import type { Tensor, Tensor1D } from '@tensorflow/tfjs'
import type { ModelDescription } from '../../model/parameter-layout.js'
import type { FusedOps } from '../engine/fused-ops.js'
import type { Network } from '../engine/network.js'
import { networkInputs } from '../engine/network-inputs.js'
import type { ObjectiveOps } from '../engine/objective-ops.js'
import type { TensorFlow } from '../runtime/load-tensorflow.js'

/** What every step of inference works with. */
export interface InferenceParts {
  readonly tf: TensorFlow
  readonly ops: FusedOps
  readonly network: Network
  readonly model: ModelDescription
  readonly objective: ObjectiveOps
}

type Step = (...inputs: Tensor[]) => Tensor[]

/**
 * Compares predictions with targets, and sums the loss.
 * @returns a function of weights (float32 `[weightCount]`), targets (see ObjectiveOps) and samples (see uploadInputs) to one float32
 *   `[evaluationLength(model)]`
 */
export function evaluationStep(parts: InferenceParts): Step {
  return (...inputs) => {
    const [flatWeights, targets, ...samples] = inputs as [Tensor, Tensor, ...Tensor[]]
    return [parts.objective.evaluation(outputOf(parts, flatWeights, samples), targets)]
  }
}

/** @returns a function of weights and samples, as above, to probabilities of classes or numbers, float32 `[count, outputs]` */
export function predictionStep(parts: InferenceParts): Step {
  return (...inputs) => {
    const [flatWeights, ...samples] = inputs as [Tensor, ...Tensor[]]
    return [parts.objective.prediction(outputOf(parts, flatWeights, samples))]
  }
}

/** @returns a function of weights and samples, as above, to one float32 vector: the outputs of the layers, one after the other */
export function activationStep({ tf, ops, network, model }: InferenceParts, layers: readonly string[]): Step {
  return (...inputs) => {
    const [flatWeights, ...samples] = inputs as [Tensor, ...Tensor[]]
    const weights = network.unflatten(flatWeights as Tensor1D)
    const outputs = network.activations(weights, networkInputs(tf, ops, model, samples), layers)
    return [tf.concat1d(outputs.map((output) => output.flatten()))]
  }
}

function outputOf({ tf, ops, network, model }: InferenceParts, flatWeights: Tensor, samples: Tensor[]): Tensor {
  return network.infer(network.unflatten(flatWeights as Tensor1D), networkInputs(tf, ops, model, samples))
}
