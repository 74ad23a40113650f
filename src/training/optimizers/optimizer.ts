import type { ParameterLayout } from '../../model/parameter-layout.js'
import type { TrainableTensor } from '../average-gradient.js'
import type { OptimizerStep } from './define-optimizer.js'
import type { OptimizerConfig } from './optimizers.js'
import { optimizerOf } from './optimizers.js'

/** An optimizer of one run. */
export interface Optimizer {
  readonly state: OptimizerState
  /** Begins a step, which {@link update} does. */
  step(learningRate: number): OptimizerStep<OptimizerConfig>
}

/** All that an optimizer remembers from one step to the next. */
export interface OptimizerState {
  /** Float32, each `[layout.trainableCount]`, by name. */
  readonly vectors: Readonly<Record<string, Float32Array>>
  readonly numbers: Record<string, number>
}

export function createOptimizer(config: OptimizerConfig, layout: ParameterLayout): Optimizer {
  const definition = optimizerOf(config)
  const vectors = Object.fromEntries(definition.vectors.map((name) => [name, new Float32Array(layout.trainableCount)]))
  for (const [name, value] of Object.entries(definition.firstValues?.(config) ?? {})) vectors[name]!.fill(value!)
  const numbers = { ...definition.numbers }
  const tensors = trainableTensors(layout)
  return {
    state: { vectors, numbers },
    step: (learningRate) => {
      Object.assign(numbers, definition.advance?.(config, numbers))
      return { config, learningRate, vectors, numbers: { ...numbers }, tensors }
    },
  }
}

/** The numbers of an optimizer's state after some steps, to the bit: they depend on nothing else. */
export function numbersAfter(steps: number, config: OptimizerConfig): Record<string, number> {
  const definition = optimizerOf(config)
  let numbers: Record<string, number> = { ...definition.numbers }
  if (definition.advance !== undefined)
    for (let step = 0; step < steps; step++) numbers = definition.advance(config, numbers)
  return numbers
}

export function trainableTensors({ tensors }: ParameterLayout): TrainableTensor[] {
  return tensors
    .filter(({ trainable }) => trainable)
    .map(({ offset, size, l2, shape }) => ({ offset, size, l2, decays: shape.length >= 2 }))
}

/**
 * The part of a step from element `begin` to `end`, in place.
 * @param weights float32, at least `[layout.trainableCount]`
 * @param gradient float32, likewise: averaged over the batch, with L2
 * @param scale factor of the gradient: below 1 where clipping applies
 */
export function update(
  step: OptimizerStep<OptimizerConfig>,
  weights: Float32Array,
  gradient: Float32Array,
  scale: number,
  begin: number,
  end: number,
): void {
  optimizerOf(step.config).update(step, weights, gradient, scale, begin, end)
}
