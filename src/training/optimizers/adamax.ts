import { z } from 'zod'
import { nativeLoops, threadsFor } from '../../shared/native-loops.js'
import { formatNumber } from '../../shared/units.js'
import { defineOptimizer } from './define-optimizer.js'

/** AdaMax, Kingma and Ba 2015, algorithm 2, with the epsilon of TensorFlow.js and its decay of the learning rate by the number of steps. */
export const adamax = defineOptimizer({
  schema: z.strictObject({
    kind: z.literal('adamax'),
    beta1: z.number().min(0).lt(1).default(0.9).describe('decay of the moving mean of the gradient'),
    beta2: z.number().min(0).lt(1).default(0.999).describe('decay of the largest gradient'),
    epsilon: z.number().positive().max(1).default(1e-7).describe('added to the denominator of the update'),
    decay: z
      .number()
      .min(0)
      .max(1e6)
      .default(0)
      .describe('the learning rate is divided by 1 + decay times the steps before'),
  }),
  vectors: ['first', 'largest'],
  // A running power instead of Math.pow.
  numbers: { beta1Power: 1, steps: 0 },
  advance({ beta1 }, { beta1Power, steps }) {
    return { beta1Power: beta1Power * beta1, steps: steps + 1 }
  },
  update({ config, learningRate, vectors, numbers }, weights, gradient, scale, begin, end) {
    const { beta1, beta2, epsilon, decay } = config
    const { first, largest } = vectors
    const { beta1Power, steps } = numbers
    const rate = learningRate / (1 + decay * (steps - 1)) / (1 - beta1Power)
    const native = nativeLoops()
    if (native) {
      const settings = [scale, rate, beta1, beta2, epsilon] as const
      native.adamax(weights, gradient, first, largest, ...settings, begin, end, threadsFor(end - begin))
      return
    }
    for (let index = begin; index < end; index++) {
      const g = Math.fround(gradient[index]! * scale)
      const m = Math.fround(beta1 * first[index]! + (1 - beta1) * g)
      const u = Math.fround(Math.max(beta2 * largest[index]!, Math.abs(g)))
      first[index] = m
      largest[index] = u
      weights[index] = weights[index]! - rate * (m / (u + epsilon))
    }
  },
  describe({ beta1, beta2, epsilon, decay }) {
    const [b1, b2, e, d] = [beta1, beta2, epsilon, decay].map(formatNumber)
    return `AdaMax, β₁ ${b1}, β₂ ${b2}, ε ${e}${decay > 0 ? `, decay ${d}` : ''}`
  },
})
