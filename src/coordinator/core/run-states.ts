import { ConvoyError } from '../../shared/errors.js'

/**
 * - waiting: no worker is there
 * - training: steps are computed
 * - evaluating: a split is evaluated
 * - finished: the result is there
 * - failed: ended without a result, by an error or an interruption
 */
export type RunState = 'waiting' | 'training' | 'evaluating' | 'finished' | 'failed'

/**
 *     waiting <──> training <──> evaluating ──> finished      any of the first three ──> failed
 *        ^                         ^    ^
 *        └─────────────────────────┘    └── the last worker may go just before the end: waiting ──> finished
 */
const NEXT: Readonly<Record<RunState, readonly RunState[]>> = {
  waiting: ['training', 'evaluating', 'finished', 'failed'],
  training: ['waiting', 'evaluating', 'failed'],
  evaluating: ['waiting', 'training', 'finished', 'failed'],
  finished: [],
  failed: [],
}

/** @throws ConvoyError('internal') for a transition that the diagram does not have */
export function checkRunTransition(from: RunState, to: RunState): void {
  if (!NEXT[from].includes(to)) throw new ConvoyError('internal', `a run cannot become ${to}: it is ${from}`)
}
