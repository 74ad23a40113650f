import { z } from 'zod'
import { nativeLoops, threadsFor } from '../../shared/native-loops.js'
import { formatNumber } from '../../shared/units.js'
import { defineOptimizer } from './define-optimizer.js'

/** AdamW, Loshchilov and Hutter 2019, algorithm 2; decay on tensors of two or more dimensions (kernels) only. */
export const adamw = defineOptimizer({
  schema: z.strictObject({
    kind: z.literal('adamw'),
    beta1: z.number().min(0).lt(1).default(0.9).describe('decay of the moving mean of the gradient'),
    beta2: z.number().min(0).lt(1).default(0.999).describe('decay of the moving mean of the squared gradient'),
    epsilon: z.number().positive().max(1).default(1e-8).describe('added to the denominator of the update'),
    weightDecay: z
      .number()
      .min(0)
      .max(1)
      .default(0.05)
      .describe('decoupled weight decay (Loshchilov and Hutter 2019), times the learning rate; kernels only'),
  }),
  vectors: ['first', 'second'],
  // Running powers instead of Math.pow.
  numbers: { beta1Power: 1, beta2Power: 1 },
  advance({ beta1, beta2 }, { beta1Power, beta2Power }) {
    return { beta1Power: beta1Power * beta1, beta2Power: beta2Power * beta2 }
  },
  update({ config, learningRate, vectors, numbers, tensors }, weights, gradient, scale, begin, end) {
    const { beta1, beta2, epsilon, weightDecay } = config
    const { first, second } = vectors
    const { beta1Power, beta2Power } = numbers
    const decayOf = (decays: boolean): number => (decays ? learningRate * weightDecay : 0)
    const native = nativeLoops()
    if (native) {
      const settings = [scale, learningRate, beta1, beta2, epsilon, beta1Power, beta2Power] as const
      const table = Float64Array.from(tensors.flatMap(({ offset, size, decays }) => [offset, size, decayOf(decays)]))
      native.adamw(weights, gradient, first, second, ...settings, table, begin, end, threadsFor(end - begin))
      return
    }
    for (const { offset, size, decays } of tensors) {
      const decay = decayOf(decays)
      const last = Math.min(offset + size, end)
      for (let index = Math.max(offset, begin); index < last; index++) {
        const g = Math.fround(gradient[index]! * scale)
        const m = Math.fround(beta1 * first[index]! + (1 - beta1) * g)
        const v = Math.fround(beta2 * second[index]! + (1 - beta2) * g * g)
        first[index] = m
        second[index] = v
        const w = weights[index]!
        const step = m / (1 - beta1Power) / (Math.sqrt(v / (1 - beta2Power)) + epsilon)
        weights[index] = w - decay * w - learningRate * step
      }
    }
  },
  describe({ beta1, beta2, epsilon, weightDecay }) {
    const [b1, b2, e, decay] = [beta1, beta2, epsilon, weightDecay].map(formatNumber)
    return `AdamW, β₁ ${b1}, β₂ ${b2}, ε ${e}, weight decay ${decay}`
  },
})
