import { z } from 'zod'
import { nativeLoops, threadsFor } from '../../shared/native-loops.js'
import { formatNumber } from '../../shared/units.js'
import { defineOptimizer } from './define-optimizer.js'

/**
 * RMSProp as in TensorFlow.js: the learning rate is inside of the momentum, epsilon inside of the root. Where the variance of the centered form
 * is not above epsilon, TensorFlow.js takes the root of a negative number; here the gradient has no part in the step.
 */
export const rmsprop = defineOptimizer({
  schema: z.strictObject({
    kind: z.literal('rmsprop'),
    decay: z.number().min(0).lt(1).default(0.9).describe('decay of the moving mean of the squared gradient'),
    momentum: z.number().min(0).lt(1).default(0).describe('share of the last change that is kept in the next one'),
    epsilon: z.number().positive().max(1).default(1e-7).describe('added to the squared gradient, inside of the root'),
    centered: z.boolean().default(false).describe('divide by the variance of the gradient, not by its square'),
  }),
  vectors: ['meanSquare', 'change', 'meanGradient'],
  numbers: {},
  update({ config, learningRate, vectors }, weights, gradient, scale, begin, end) {
    const { decay, momentum, epsilon, centered } = config
    const { meanSquare, change, meanGradient } = vectors
    const native = nativeLoops()
    if (native) {
      const settings = [scale, learningRate, decay, momentum, epsilon, Number(centered)] as const
      const state = [meanSquare, change, meanGradient] as const
      native.rmsprop(weights, gradient, ...state, ...settings, begin, end, threadsFor(end - begin))
      return
    }
    for (let index = begin; index < end; index++) {
      const g = Math.fround(gradient[index]! * scale)
      const square = Math.fround(decay * meanSquare[index]! + (1 - decay) * g * g)
      meanSquare[index] = square
      let divisor = square + epsilon
      if (centered) {
        const mean = Math.fround(decay * meanGradient[index]! + (1 - decay) * g)
        meanGradient[index] = mean
        divisor = square - (mean * mean + epsilon)
      }
      const step = divisor > 0 ? (learningRate * g) / Math.sqrt(divisor) : 0
      const moved = Math.fround(momentum * change[index]! + step)
      change[index] = moved
      weights[index] = weights[index]! - moved
    }
  },
  describe({ decay, momentum, epsilon, centered }) {
    const [d, m, e] = [decay, momentum, epsilon].map(formatNumber)
    return `${centered ? 'Centered RMSProp' : 'RMSProp'}, decay ${d}, momentum ${m}, ε ${e}`
  },
})
