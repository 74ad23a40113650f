import { z } from 'zod'
import { nativeLoops, threadsFor } from '../../shared/native-loops.js'
import { formatNumber } from '../../shared/units.js'
import { defineOptimizer } from './define-optimizer.js'

/** Adadelta, Zeiler 2012, as in TensorFlow.js: a step divides by the mean of the squared gradients before it, not by that with its own. */
export const adadelta = defineOptimizer({
  schema: z.strictObject({
    kind: z.literal('adadelta'),
    rho: z.number().min(0).lt(1).default(0.95).describe('decay of both moving means of squares'),
    epsilon: z.number().positive().max(1).default(1e-7).describe('added to both means, inside of the roots'),
  }),
  vectors: ['squaredGradients', 'squaredUpdates'],
  numbers: {},
  update({ config, learningRate, vectors }, weights, gradient, scale, begin, end) {
    const { rho, epsilon } = config
    const { squaredGradients, squaredUpdates } = vectors
    const native = nativeLoops()
    if (native) {
      const state = [squaredGradients, squaredUpdates] as const
      native.adadelta(
        weights,
        gradient,
        ...state,
        scale,
        learningRate,
        rho,
        epsilon,
        begin,
        end,
        threadsFor(end - begin),
      )
      return
    }
    for (let index = begin; index < end; index++) {
      const g = Math.fround(gradient[index]! * scale)
      const before = squaredGradients[index]!
      const updates = squaredUpdates[index]!
      const step = (Math.sqrt(updates + epsilon) / Math.sqrt(before + epsilon)) * g
      squaredGradients[index] = rho * before + (1 - rho) * g * g
      squaredUpdates[index] = rho * updates + (1 - rho) * step * step
      weights[index] = weights[index]! - learningRate * step
    }
  },
  describe({ rho, epsilon }) {
    return `Adadelta, ρ ${formatNumber(rho)}, ε ${formatNumber(epsilon)}`
  },
})
