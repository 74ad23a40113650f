import type { OptimizerConfig } from '../../model/config/run-config.js'
import type { ParameterLayout } from '../../model/parameter-layout.js'
import type { TrainableTensor } from '../average-gradient.js'

/**
 * Turns reduced gradients into new weights. All state is float32; arithmetic is float64, element by element, and rounded
 * where it is stored: the clipped gradient, each state vector, the weight. The same bits on every machine. State vectors are
 * `[layout.trainableCount]`.
 */
export interface Optimizer {
  readonly state: OptimizerState
  /** Begins a step: plain data that any thread may do any part of, with {@link update}. */
  step(learningRate: number): OptimizerStep
}

/** All that an optimizer remembers from one step to the next. */
export interface OptimizerState {
  /** Float32, each `[layout.trainableCount]`, by name. */
  readonly vectors: Readonly<Record<string, Float32Array>>
  readonly numbers: Record<string, number>
}

export type OptimizerStep =
  | (Omit<Sgd, 'kind'> & { readonly kind: 'sgd'; readonly rate: number; readonly velocity: Float32Array })
  | (Omit<AdamW, 'kind'> & {
      readonly kind: 'adamw'
      readonly rate: number
      readonly first: Float32Array
      readonly second: Float32Array
      readonly beta1Power: number
      readonly beta2Power: number
      readonly tensors: readonly TrainableTensor[]
    })

type Sgd = Extract<OptimizerConfig, { kind: 'sgd' }>
type AdamW = Extract<OptimizerConfig, { kind: 'adamw' }>

/** @param allocate makes a state vector of zeros */
export function createOptimizer(
  config: OptimizerConfig,
  layout: ParameterLayout,
  allocate = (length: number): Float32Array => new Float32Array(length),
): Optimizer {
  const zeros = (): Float32Array => allocate(layout.trainableCount)
  if (config.kind === 'sgd') {
    const velocity = zeros()
    return { state: { vectors: { velocity }, numbers: {} }, step: (rate) => ({ ...config, rate, velocity }) }
  }
  const [first, second, tensors] = [zeros(), zeros(), trainableTensors(layout)]
  // Running powers instead of Math.pow, whose last bit is not the same in every version of V8.
  const numbers = { beta1Power: 1, beta2Power: 1 }
  return {
    state: { vectors: { first, second }, numbers },
    step: (rate) => {
      numbers.beta1Power *= config.beta1
      numbers.beta2Power *= config.beta2
      return { ...config, rate, first, second, ...numbers, tensors }
    },
  }
}

export function trainableTensors({ tensors }: ParameterLayout): TrainableTensor[] {
  return tensors
    .filter(({ trainable }) => trainable)
    .map(({ offset, size, l2, shape }) => ({ offset, size, l2, decays: shape.length >= 2 }))
}

/**
 * The part of a step from element `begin` to `end`, in place.
 * @param weights float32, at least `[layout.trainableCount]`
 * @param gradient float32, likewise: the averaged, regularised gradient
 * @param scale what clipping multiplies it by; 1 when it does not
 */
export function update(
  step: OptimizerStep,
  weights: Float32Array,
  gradient: Float32Array,
  scale: number,
  begin: number,
  end: number,
): void {
  if (step.kind === 'sgd') updateSgd(step, weights, gradient, scale, begin, end)
  else updateAdamW(step, weights, gradient, scale, begin, end)
}

/** SGD with (Nesterov) momentum, as Sutskever et al. 2013 in PyTorch's form: v = mu v + g; w -= rate (g + mu v). */
function updateSgd(
  { momentum, nesterov, rate, velocity }: Extract<OptimizerStep, { kind: 'sgd' }>,
  weights: Float32Array,
  gradient: Float32Array,
  scale: number,
  begin: number,
  end: number,
): void {
  for (let index = begin; index < end; index++) {
    const g = Math.fround(gradient[index]! * scale)
    const v = Math.fround(momentum * velocity[index]! + g)
    velocity[index] = v
    weights[index] = weights[index]! - rate * (nesterov ? g + momentum * v : v)
  }
}

/** AdamW, Loshchilov and Hutter 2019, algorithm 2; decay on tensors of two or more dimensions (kernels) only. */
function updateAdamW(
  step: Extract<OptimizerStep, { kind: 'adamw' }>,
  weights: Float32Array,
  gradient: Float32Array,
  scale: number,
  begin: number,
  end: number,
): void {
  const { beta1, beta2, epsilon, weightDecay, rate, first, second, beta1Power, beta2Power } = step
  for (const { offset, size, decays } of step.tensors) {
    const decay = decays ? rate * weightDecay : 0
    const last = Math.min(offset + size, end)
    for (let index = Math.max(offset, begin); index < last; index++) {
      const g = Math.fround(gradient[index]! * scale)
      const m = Math.fround(beta1 * first[index]! + (1 - beta1) * g)
      const v = Math.fround(beta2 * second[index]! + (1 - beta2) * g * g)
      first[index] = m
      second[index] = v
      const w = weights[index]!
      const step = m / (1 - beta1Power) / (Math.sqrt(v / (1 - beta2Power)) + epsilon)
      weights[index] = w - decay * w - rate * step
    }
  }
}
