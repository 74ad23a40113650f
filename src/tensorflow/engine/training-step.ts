import type { Tensor, Tensor1D } from '@tensorflow/tfjs'
import type { EngineOptions } from './engine.js'
import type { FusedOps } from './fused-ops.js'
import type { Network } from './network.js'
import { networkInputs } from './network-inputs.js'
import { objectiveOps } from './objective-ops.js'
import type { TensorFlow } from '../runtime/load-tensorflow.js'

/** Inputs of the training step, in order. */
export type TrainingInputs = [
  /** float32, `[layout.weightCount]` */
  weights: Tensor,
  /** Labels, int32 `[shard]`, or numbers, float32 `[shard, outputs]`. */
  targets: Tensor,
  /** float32, `[shard, 8]`; not read without augmentation */
  transforms: Tensor,
  /** int32, `[2]` */
  dropoutKey: Tensor,
  /** In the order of the model: of an image, native uint8 `[shard, height, width, channel]`. */
  ...samples: Tensor[],
]

/**
 * The training step of a worker, from bytes to the gradient vector, as one pure function that can be captured.
 * @returns a function to one float32 `[gradientLength(layout)]`: gradient sums, batch statistics, loss sum, quality (see ObjectiveOps)
 */
export function trainingStep(
  tf: TensorFlow,
  ops: FusedOps,
  network: Network,
  { model, labelSmoothing, fillMode, augment }: EngineOptions,
): (...inputs: Tensor[]) => Tensor[] {
  const { layout } = model
  const objective = objectiveOps(tf, ops, model, labelSmoothing)
  return (...inputs) => {
    const [flatWeights, targets, transforms, dropoutKey, ...uploaded] = inputs as TrainingInputs
    const samples = networkInputs(tf, ops, model, uploaded, augment ? { transforms, fillMode } : undefined)

    const weights = network.unflatten(flatWeights as Tensor1D)
    const parameters = weights.filter((_, index) => layout.tensors[index]!.trainable)
    const movingStatistics = weights.slice(parameters.length)
    let quality: Tensor | undefined
    let statistics: Map<string, Tensor1D> | undefined
    const { value: loss, grads } = tf.valueAndGrads((...current: Tensor[]) => {
      const pass = network.train([...current, ...movingStatistics], samples, dropoutKey as Tensor1D)
      statistics = pass.statistics
      quality = tf.keep(objective.quality(pass.output, targets))
      return objective.trainingLoss(pass.output, targets) as never
    })(parameters)

    const statisticsInOrder = layout.tensors
      .filter(({ trainable }) => !trainable)
      .map(({ name }) => statistics!.get(name)!)
    const flat = [...grads, ...statisticsInOrder, loss, quality!].map((tensor) => tensor.flatten())
    const vector = tf.concat1d(flat)
    tf.dispose([...statisticsInOrder, quality!])
    return [vector]
  }
}
