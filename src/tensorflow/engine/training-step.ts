import type { Tensor, Tensor1D } from '@tensorflow/tfjs'
import type { EngineOptions } from './engine.js'
import type { StepParts } from '../inference/inference.js'
import { networkInputs } from './network-inputs.js'
import { isWeighted, objectivesOf } from '../../model/parameter-layout.js'

/** Inputs of the training step, in order. */
export type TrainingInputs = [
  /** float32, `[layout.weightCount]` */
  weights: Tensor,
  /** float32, `[shard, 8]`; not read without augmentation */
  transforms: Tensor,
  /** int32, `[2]` */
  dropoutKey: Tensor,
  /**
   * What the samples' losses are multiplied by, where the model has that; targets in the order of its outputs (see ObjectiveOps); samples in the
   * order of its inputs: of an image, native uint8 `[shard, height, width, channel]`.
   */
  ...others: Tensor[],
]

/**
 * The training step of a worker, from bytes to the gradient vector, as one pure function that can be captured.
 * @returns a function to one float32 `[gradientLength(layout)]`: gradient sums, batch statistics, loss sum, measures (see ObjectiveOps)
 */
export function trainingStep(
  { tf, ops, network, model, objective }: StepParts,
  { fillMode, augment }: Pick<EngineOptions, 'fillMode' | 'augment'>,
): (...inputs: Tensor[]) => Tensor[] {
  const { layout } = model
  return (...inputs) => {
    const [flatWeights, transforms, dropoutKey, ...others] = inputs as TrainingInputs
    const sampleWeights = isWeighted(model) ? others.shift() : undefined
    const targets = others.splice(0, objectivesOf(model).length)
    const samples = networkInputs(tf, ops, model, others, augment ? { transforms, fillMode } : undefined)

    const weights = network.unflatten(flatWeights as Tensor1D)
    const parameters = weights.filter((_, index) => layout.tensors[index]!.trainable)
    const movingStatistics = weights.slice(parameters.length)
    let measures: Tensor[] = []
    let statistics: Map<string, Tensor1D> | undefined
    const { value: loss, grads } = tf.valueAndGrads((...current: Tensor[]) => {
      const pass = network.train([...current, ...movingStatistics], samples, dropoutKey as Tensor1D)
      statistics = pass.statistics
      measures = objective.measures(pass.outputs, targets).map((measure) => tf.keep(measure))
      return objective.trainingLoss(pass.outputs, targets, sampleWeights) as never
    })(parameters)

    const statisticsInOrder = layout.tensors
      .filter(({ trainable }) => !trainable)
      .map(({ name }) => statistics!.get(name)!)
    const flat = [...grads, ...statisticsInOrder, loss, ...measures].map((tensor) => tensor.flatten())
    const vector = tf.concat1d(flat)
    tf.dispose([...statisticsInOrder, ...measures])
    return [vector]
  }
}
