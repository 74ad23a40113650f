import { initialWeights } from '../model/initial-weights.js'
import type { RunDescription } from '../model/run-description.js'
import { isBetter } from './best-weights.js'
import { CallbackRunner } from './callbacks/callback-runner.js'
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
  /** Float32, `[layout.weightCount]`; each step changes them in place. A coordinator moves them to other memory before the first step. */
  weights: Float32Array
  readonly optimizer: Optimizer
  /** The best validation so far, see isBetter. */
  best: Snapshot | undefined
  last: Snapshot | undefined
  /** They decide learning rates, and perhaps the end of the run. */
  readonly callbacks: CallbackRunner
  readonly history: RunHistory
}

/** Numbers of the result that cover the whole run, however often its coordinator was started again. They decide no weight. */
export interface RunHistory {
  /** Time of the steps, without the first one of each coordinator, which waits for workers to start. */
  steadyMs: number
  steadySteps: number
  /** From the last result of a step to its new weights, over all steps that were measured. */
  betweenStepsMs: number
  measuredSteps: number
  /** Time of all coordinators so far. */
  elapsedMs: number
  /** Leases given again because a worker died, left or failed. */
  reissued: number
  /** Most workers that computed at the same time. */
  peakWorkers: number
}

/** Keeps the weights as they are now with their validation, as the last and perhaps the best ones. @returns the last, and whether they are the best */
export function keepValidated(
  state: TrainingState,
  validation: EvaluationResult,
): { readonly last: Snapshot; readonly isBest: boolean } {
  const isBest = isBetter(validation, state.best?.validation)
  const last: Snapshot = { step: state.step, weights: state.weights.slice(), validation }
  state.last = last
  if (isBest) state.best = last
  return { last, isBest }
}

/**
 * Takes over the weights of another run of the same model, and the optimizer's state where that has the same vectors.
 * @returns whether the optimizer's state was taken over
 */
export function takeOver(state: TrainingState, other: Pick<TrainingState, 'weights' | 'optimizer'>): boolean {
  state.weights.set(other.weights)
  const [own, given] = [state.optimizer.state, other.optimizer.state]
  const names = Object.keys(own.vectors)
  if (Object.keys(given.vectors).join() !== names.join()) return false
  for (const name of names) own.vectors[name]!.set(given.vectors[name]!)
  Object.assign(own.numbers, given.numbers)
  return true
}

/** Before the first step, with drawn weights. */
export function initialState(description: RunDescription): TrainingState {
  const state = stateOfZeros(description)
  state.weights.set(initialWeights(description.model.layout, description.config.seed))
  return state
}

/** Before the first step, with weights of 0: for those of a file. To draw a million weights takes a quarter of a second. */
export function stateOfZeros({ config, model }: RunDescription): TrainingState {
  return {
    step: 0,
    weights: new Float32Array(model.layout.weightCount),
    optimizer: createOptimizer(config.optimizer, model.layout),
    best: undefined,
    last: undefined,
    callbacks: new CallbackRunner(config),
    history: {
      ...{ steadyMs: 0, steadySteps: 0, betweenStepsMs: 0, measuredSteps: 0 },
      ...{ elapsedMs: 0, reissued: 0, peakWorkers: 0 },
    },
  }
}
