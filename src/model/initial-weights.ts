import { KeyedRandom, PURPOSE, toUnit } from '../shared/philox.js'
import type { ParameterLayout } from './parameter-layout.js'

/**
 * The first weights of a run, each element keyed by (seed, tensor, element): no order, no state, no transcendental function.
 * @returns float32, `[layout.weightCount]`
 */
export function initialWeights(layout: ParameterLayout, seed: number): Float32Array {
  const random = new KeyedRandom(seed, PURPOSE.initialise)
  const weights = new Float32Array(layout.weightCount)
  layout.tensors.forEach(({ offset, size, initializer }, tensor) => {
    if (initializer.kind === 'constant') {
      weights.fill(initializer.value, offset, offset + size)
      return
    }
    // A draw gives four elements.
    for (let index = 0; index < size; index += 4) {
      const words = random.words(tensor, index / 4)
      const count = Math.min(4, size - index)
      for (let word = 0; word < count; word++) {
        weights[offset + index + word] = (2 * toUnit(words[word]!) - 1) * initializer.limit
      }
    }
  })
  return weights
}
