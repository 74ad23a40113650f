import type { RunDescription } from '../model/run-description.js'
import { ConvoyError } from '../shared/errors.js'
import type { StoredCallbacks } from './callbacks/callback-runner.js'
import { CallbackRunner } from './callbacks/callback-runner.js'
import type { EvaluationResult } from './run-events.js'
import type { Snapshot, TrainingState, RunHistory } from './training-state.js'
import { stateOfZeros } from './training-state.js'

/** A training state as a file format takes it. */
export interface StoredState {
  /** Float32 vectors by name: `weights`, `best`, `last`, `optimizer/velocity` and so on. */
  readonly tensors: Readonly<Record<string, Float32Array>>
  /** Plain JSON. */
  readonly values: StoredValues
}

export interface StoredValues {
  readonly step: number
  readonly optimizer: Readonly<Record<string, number>>
  readonly best: StoredSnapshot | null
  readonly last: StoredSnapshot | null
  /** Absent: the run has no callbacks, or is of an older version. */
  readonly callbacks?: StoredCallbacks
  readonly history: RunHistory
}

interface StoredSnapshot {
  readonly step: number
  readonly validation: EvaluationResult
}

const OPTIMIZER = 'optimizer/'

/**
 * All of a training state.
 * @returns vectors that are the state's own: the next step changes them
 * @throws ConvoyError('usage') when the user's callbacks have a state that cannot be stored
 */
export function toTensors({ step, weights, optimizer, best, last, history, ...state }: TrainingState): StoredState {
  const callbacks = state.callbacks.stored()
  const { vectors, numbers } = optimizer.state
  return {
    tensors: {
      weights,
      ...(best && { best: best.weights }),
      ...(last && { last: last.weights }),
      ...Object.fromEntries(Object.entries(vectors).map(([name, vector]) => [OPTIMIZER + name, vector])),
    },
    values: {
      ...{ step, optimizer: { ...numbers }, history: { ...history } },
      best: best ? { step: best.step, validation: best.validation } : null,
      last: last ? { step: last.step, validation: last.validation } : null,
      ...(callbacks && { callbacks }),
    },
  }
}

/**
 * The state that {@link toTensors} stored.
 * @throws ConvoyError('data') naming a tensor that is missing, too much or of another length than the model's and optimizer's
 */
export function fromTensors({ tensors, values }: StoredState, description: RunDescription): TrainingState {
  const state = stateOfZeros(description)
  const { vectors, numbers } = state.optimizer.state
  const snapshot = (name: 'best' | 'last'): Snapshot | undefined => {
    const stored = values[name]
    return stored ? { ...stored, weights: new Float32Array(state.weights.length) } : undefined
  }
  const [best, last] = [snapshot('best'), snapshot('last')]
  const filled: Record<string, Float32Array> = {
    weights: state.weights,
    ...(best && { best: best.weights }),
    ...(last && { last: last.weights }),
    ...Object.fromEntries(Object.entries(vectors).map(([name, vector]) => [OPTIMIZER + name, vector])),
  }
  const wrong = Object.keys({ ...tensors, ...filled }).find((name) => tensors[name]?.length !== filled[name]?.length)
  if (wrong !== undefined)
    throw new ConvoyError(
      'data',
      `The training state does not fit this run: its tensor ${wrong} has ${tensors[wrong]?.length ?? 'no'} values where ${filled[wrong]?.length ?? 'none'} belong. Resume with the configuration that it was made with.`,
    )
  for (const [name, vector] of Object.entries(filled)) vector.set(tensors[name]!)
  Object.assign(numbers, values.optimizer)
  const callbacks = new CallbackRunner(description.config, values.callbacks)
  return { ...state, step: values.step, best, last, callbacks, history: { ...values.history } }
}
