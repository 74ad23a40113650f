import { z } from 'zod'
import { nativeLoops, threadsFor } from '../../shared/native-loops.js'
import { formatNumber } from '../../shared/units.js'
import { defineOptimizer } from './define-optimizer.js'

/** AdaGrad, Duchi et al. 2011, as in TensorFlow.js: the sum of squares does not begin at zero, and epsilon is inside of the root. */
export const adagrad = defineOptimizer({
  schema: z.strictObject({
    kind: z.literal('adagrad'),
    initialAccumulatorValue: z
      .number()
      .min(0)
      .max(1e6)
      .default(0.1)
      .describe('what the sum of squared gradients begins with'),
    epsilon: z.number().positive().max(1).default(1e-7).describe('added to the sum, inside of the root'),
  }),
  vectors: ['accumulator'],
  firstValues: ({ initialAccumulatorValue }) => ({ accumulator: initialAccumulatorValue }),
  numbers: {},
  update({ config, learningRate, vectors }, weights, gradient, scale, begin, end) {
    const { epsilon } = config
    const { accumulator } = vectors
    const native = nativeLoops()
    if (native) {
      native.adagrad(weights, gradient, accumulator, scale, learningRate, epsilon, begin, end, threadsFor(end - begin))
      return
    }
    for (let index = begin; index < end; index++) {
      const g = Math.fround(gradient[index]! * scale)
      const sum = Math.fround(accumulator[index]! + g * g)
      accumulator[index] = sum
      weights[index] = weights[index]! - (learningRate * g) / Math.sqrt(sum + epsilon)
    }
  },
  describe({ initialAccumulatorValue, epsilon }) {
    return `AdaGrad from ${formatNumber(initialAccumulatorValue)}, ε ${formatNumber(epsilon)}`
  },
})
