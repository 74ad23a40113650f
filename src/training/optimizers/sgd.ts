import { z } from 'zod'
import { nativeLoops, threadsFor } from '../../shared/native-loops.js'
import { formatNumber } from '../../shared/units.js'
import { defineOptimizer } from './define-optimizer.js'

/** SGD with (Nesterov) momentum, as Sutskever et al. 2013 in PyTorch's form: v = mu v + g; w -= rate (g + mu v). */
export const sgd = defineOptimizer({
  schema: z.strictObject({
    kind: z.literal('sgd'),
    momentum: z
      .number()
      .min(0)
      .lt(1)
      .default(0.9)
      .describe('share of the velocity that is kept from one step to the next'),
    nesterov: z.boolean().default(true).describe("use Nesterov's form of momentum"),
  }),
  vectors: ['velocity'],
  numbers: {},
  update({ config, learningRate, vectors }, weights, gradient, scale, begin, end) {
    const { momentum, nesterov } = config
    const { velocity } = vectors
    const native = nativeLoops()
    if (native) {
      const settings = [scale, learningRate, momentum, Number(nesterov)] as const
      native.sgd(weights, gradient, velocity, ...settings, begin, end, threadsFor(end - begin))
      return
    }
    for (let index = begin; index < end; index++) {
      const g = Math.fround(gradient[index]! * scale)
      const v = Math.fround(momentum * velocity[index]! + g)
      velocity[index] = v
      weights[index] = weights[index]! - learningRate * (nesterov ? g + momentum * v : v)
    }
  },
  describe({ momentum, nesterov }) {
    if (momentum === 0) return 'SGD without momentum'
    return `SGD, ${nesterov ? 'Nesterov ' : ''}momentum ${formatNumber(momentum)}`
  },
})
