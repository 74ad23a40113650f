import { ConvoyError } from '../shared/errors.js'

/**
 * - waiting: no worker is there
 * - training: steps are computed
 * - evaluating: a split is evaluated
 * - paused: makes no step, as it was asked to; workers may come and go
 * - finished: the result is there
 * - stopped: ended before its last step on request: by `convoy stop`, with a result, or by a signal
 * - failed: ended without a result, by an error
 */
export type RunState = 'waiting' | 'training' | 'evaluating' | 'paused' | 'finished' | 'stopped' | 'failed'

/**
 *     waiting <──> training <──> evaluating ──> finished      any of the first three ──> paused ──> training
 *        ^                         ^    ^                     any of the first three, paused ──> stopped, failed
 *        └─────────────────────────┘    └── the last worker may go just before the end: waiting ──> finished
 */
const NEXT: Readonly<Record<RunState, readonly RunState[]>> = {
  waiting: ['training', 'evaluating', 'paused', 'finished', 'stopped', 'failed'],
  training: ['waiting', 'evaluating', 'paused', 'stopped', 'failed'],
  evaluating: ['waiting', 'training', 'paused', 'finished', 'stopped', 'failed'],
  paused: ['training', 'stopped', 'failed'],
  finished: [],
  stopped: [],
  failed: [],
}

/** Whether the run is over in this state. */
export function isOver(state: RunState): boolean {
  return NEXT[state].length === 0
}

/** @throws ConvoyError('internal') for a transition that the diagram does not have */
export function checkRunTransition(from: RunState, to: RunState): void {
  if (!NEXT[from].includes(to)) throw new ConvoyError('internal', `a run cannot become ${to}: it is ${from}`)
}
