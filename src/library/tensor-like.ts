import type { Tensor } from '@tensorflow/tfjs'

/**
 * A tensor of another one's shape, dtype and TensorFlow.js: the caller's may be another copy than Convoy's.
 * @param values copied
 */
export function tensorLike(other: Tensor, values: ArrayLike<number>): Tensor {
  const buffer = other.bufferSync()
  // Not into its values: they may be those of a tensor that the caller holds.
  buffer.values = buffer.values.slice()
  buffer.values.set(values)
  return buffer.toTensor()
}
