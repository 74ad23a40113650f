import type { Tensor, Tensor1D } from '@tensorflow/tfjs'
import type { ModelDescription } from '../../model/parameter-layout.js'
import { objectivesOf } from '../../model/parameter-layout.js'
import type { FusedOps } from '../engine/fused-ops.js'
import type { Network } from '../engine/network.js'
import { networkInputs } from '../engine/network-inputs.js'
import type { ObjectiveOps } from '../engine/objective-ops.js'
import type { TensorFlow } from '../runtime/load-tensorflow.js'

/** What every step works with. */
export interface StepParts {
  readonly tf: TensorFlow
  readonly ops: FusedOps
  readonly network: Network
  readonly model: ModelDescription
  readonly objective: ObjectiveOps
}

type Step = (...inputs: Tensor[]) => Tensor[]

/**
 * Compares predictions with targets, and sums the loss.
 * @returns a function of weights (float32 `[weightCount]`), the targets of each output (see ObjectiveOps) and samples (see uploadInputs)
 *   to one float32 `[evaluationLength(model)]`
 */
export function evaluationStep(parts: StepParts): Step {
  return (...inputs) => {
    const [flatWeights, ...others] = inputs as [Tensor, ...Tensor[]]
    const count = objectivesOf(parts.model).length
    const [targets, samples] = [others.slice(0, count), others.slice(count)]
    return [parts.objective.evaluation(outputsOf(parts, flatWeights, samples), targets)]
  }
}

/** @returns a function of weights and samples, as above, to the predictions of all outputs, float32 `[count, numbers]` */
export function predictionStep(parts: StepParts): Step {
  return (...inputs) => {
    const [flatWeights, ...samples] = inputs as [Tensor, ...Tensor[]]
    return [parts.objective.prediction(outputsOf(parts, flatWeights, samples))]
  }
}

/** @returns a function of weights and samples, as above, to one float32 vector: the outputs of the layers, one after the other */
export function activationStep({ tf, ops, network, model }: StepParts, layers: readonly string[]): Step {
  return (...inputs) => {
    const [flatWeights, ...samples] = inputs as [Tensor, ...Tensor[]]
    const weights = network.unflatten(flatWeights as Tensor1D)
    const outputs = network.activations(weights, networkInputs(tf, ops, model, samples), layers)
    return [tf.concat1d(outputs.map((output) => output.flatten()))]
  }
}

function outputsOf({ tf, ops, network, model }: StepParts, flatWeights: Tensor, samples: Tensor[]): Tensor[] {
  return network.infer(network.unflatten(flatWeights as Tensor1D), networkInputs(tf, ops, model, samples))
}
