import { KeyedRandom, PURPOSE } from '../shared/philox.js'
import { drawWeights } from './draw-weights.js'
import type { ParameterLayout } from './parameter-layout.js'

/**
 * The first weights of a run, each element keyed by (seed, tensor, element): no order, no state.
 * @returns float32, `[layout.weightCount]`
 */
export function initialWeights(layout: ParameterLayout, seed: number): Float32Array {
  const random = new KeyedRandom(seed, PURPOSE.initialise)
  const weights = new Float32Array(layout.weightCount)
  layout.tensors.forEach((tensor, index) => {
    drawWeights(weights.subarray(tensor.offset, tensor.offset + tensor.size), tensor, random, index)
  })
  return weights
}
