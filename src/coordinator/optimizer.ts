import type { OptimizerConfig } from '../model/run-config.js'
import type { ParameterLayout } from '../model/parameter-layout.js'

/**
 * Turns reduced gradients into new weights. All state is float32, all arithmetic float64 rounded once on store, in vector
 * order: the same bits on every machine. State vectors are `[layout.trainableCount]`.
 */
export interface Optimizer {
  /**
   * One update in place.
   * @param weights float32, `[layout.weightCount]`; only the trainable part changes
   * @param gradient float32, at least `[layout.trainableCount]`: the averaged, regularised, clipped gradient
   */
  apply(weights: Float32Array, gradient: Float32Array, learningRate: number): void
}

type Sgd = Extract<OptimizerConfig, { kind: 'sgd' }>
type AdamW = Extract<OptimizerConfig, { kind: 'adamw' }>

export function createOptimizer(config: OptimizerConfig, layout: ParameterLayout): Optimizer {
  return config.kind === 'sgd' ? sgd(config, layout) : adamW(config, layout)
}

/** SGD with (Nesterov) momentum, as Sutskever et al. 2013 in PyTorch's form: v = mu v + g; w -= rate (g + mu v). */
function sgd({ momentum, nesterov }: Sgd, layout: ParameterLayout): Optimizer {
  const velocity = new Float32Array(layout.trainableCount)
  return {
    apply(weights, gradient, rate) {
      for (let index = 0; index < velocity.length; index++) {
        const g = gradient[index]!
        const v = Math.fround(momentum * velocity[index]! + g)
        velocity[index] = v
        weights[index] = weights[index]! - rate * (nesterov ? g + momentum * v : v)
      }
    },
  }
}

/** AdamW, Loshchilov and Hutter 2019, algorithm 2; decay on tensors of two or more dimensions (kernels) only. */
function adamW({ beta1, beta2, epsilon, weightDecay }: AdamW, layout: ParameterLayout): Optimizer {
  const first = new Float32Array(layout.trainableCount)
  const second = new Float32Array(layout.trainableCount)
  // Running powers instead of Math.pow, whose last bit is not the same in every version of V8.
  let beta1Power = 1
  let beta2Power = 1
  return {
    apply(weights, gradient, rate) {
      beta1Power *= beta1
      beta2Power *= beta2
      for (const tensor of layout.tensors) {
        if (!tensor.trainable) continue
        const decay = tensor.shape.length >= 2 ? rate * weightDecay : 0
        for (let index = tensor.offset; index < tensor.offset + tensor.size; index++) {
          const g = gradient[index]!
          const m = Math.fround(beta1 * first[index]! + (1 - beta1) * g)
          const v = Math.fround(beta2 * second[index]! + (1 - beta2) * g * g)
          first[index] = m
          second[index] = v
          const w = weights[index]!
          const step = m / (1 - beta1Power) / (Math.sqrt(v / (1 - beta2Power)) + epsilon)
          weights[index] = w - decay * w - rate * step
        }
      }
    },
  }
}
