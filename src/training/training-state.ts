import { initialWeights } from '../model/initial-weights.js'
import type { RunDescription } from '../model/run-description.js'
import type { Optimizer } from './optimizers/optimizer.js'
import { createOptimizer } from './optimizers/optimizer.js'
import type { EvaluationResult } from './run-events.js'

/** Weights at a moment of the run, and how good they are. */
export interface Snapshot {
  readonly step: number
  /** Float32, `[layout.weightCount]`. */
  readonly weights: Float32Array
  readonly validation: EvaluationResult
}

/** Everything that a run has come to: from it, and from the configuration, the rest of the run follows. */
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

/** What the result says about speed. */
export interface TrainingTiming {
  /** Of steps after the first, which waits for workers to start. */
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
