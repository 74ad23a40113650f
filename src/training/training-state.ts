import { initialWeights } from '../model/initial-weights.js'
import type { RunDescription } from '../model/run-description.js'
import type { Optimizer } from './optimizers/optimizer.js'
import { createOptimizer } from './optimizers/optimizer.js'
import type { EvaluationResult } from './run-events.js'

/** Weights after a step, and their validation. */
export interface Snapshot {
  readonly step: number
  /** Float32, `[layout.weightCount]`. */
  readonly weights: Float32Array
  readonly validation: EvaluationResult
}

/** The state of a run: with the configuration, it decides the rest of the run. */
export interface TrainingState {
  /** Steps applied. */
  step: number
  /** Float32, `[layout.weightCount]`; each step changes them in place. */
  readonly weights: Float32Array
  readonly optimizer: Optimizer
  /** The best validation so far, see isBetter. */
  best: Snapshot | undefined
  last: Snapshot | undefined
  readonly timing: TrainingTiming
}

/** Durations, for the result. */
export interface TrainingTiming {
  /** Time of all steps but the first, which waits for workers to start. */
  steadyMs: number
  steadySteps: number
  /** From the last result of a step to its new weights, over all steps. */
  betweenStepsMs: number
}

/** Before the first step. @param allocate makes a vector of zeros */
export function initialState(
  { config, model }: RunDescription,
  allocate: (length: number) => Float32Array,
): TrainingState {
  const weights = allocate(model.layout.weightCount)
  weights.set(initialWeights(model.layout, config.seed))
  return {
    step: 0,
    weights,
    optimizer: createOptimizer(config.optimizer, model.layout, allocate),
    best: undefined,
    last: undefined,
    timing: { steadyMs: 0, steadySteps: 0, betweenStepsMs: 0 },
  }
}
