import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs'
import type { InputValues } from '../../data/sampling/gather-samples.js'
import { sizeOf } from '../../data/dataset.js'
import type { FillMode } from '../../data/sampling/augmentation.js'
import type { ModelDescription } from '../../model/parameter-layout.js'
import type { TensorFlow } from '../runtime/load-tensorflow.js'
import type { FusedOps } from './fused-ops.js'
import { nativeBackend, uploadBytes } from './native-backend.js'

/** Uploads samples. @param values in the order of the model's inputs @returns native uint8 of images, otherwise the columns' types */
export function uploadInputs(tf: TensorFlow, model: ModelDescription, values: readonly InputValues[]): Tensor[] {
  const { inputShape } = model
  return values.map((input, index) => {
    const column = model.inputs?.[index]
    const shape = column?.shape ?? inputShape
    const whole = [input.length / sizeOf(shape), ...shape]
    return input instanceof Uint8Array
      ? uploadBytes(nativeBackend(tf), input, whole)
      : tf.tensor(input, whole, column!.type)
  })
}

/** What a network takes, from what was uploaded. An image is scaled to 0 to 1. */
export function networkInputs(
  tf: TensorFlow,
  ops: FusedOps,
  model: ModelDescription,
  uploaded: Tensor[],
  augmentation?: { readonly transforms: Tensor; readonly fillMode: FillMode },
): Tensor[] {
  if (model.inputs) return uploaded
  const unit: Tensor4D = tf.mul(ops.bytesToFloat(uploaded[0]!), 1 / 255)
  if (augmentation === undefined) return [unit]
  return [ops.projectiveTransform(unit, augmentation.transforms as Tensor2D, augmentation.fillMode)]
}
