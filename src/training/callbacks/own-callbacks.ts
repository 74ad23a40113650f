import { z } from 'zod'
import type { EvaluationResult, RunEvent } from '../run-events.js'

/** What `onStep` gets: a part of the event of that step. */
export type StepInfo = Pick<
  Extract<RunEvent, { kind: 'step' }>,
  'step' | 'epoch' | 'loss' | 'accuracy' | 'metrics' | 'learningRate'
>

/** What `onEpoch` gets. */
export interface EpochInfo extends Pick<StepInfo, 'step' | 'epoch'> {
  /** Absent: the split has no samples. */
  readonly validation?: Pick<EvaluationResult, 'loss' | 'accuracy' | 'metrics'>
}

/** Functions of the user's that run on the coordinator, between two steps. */
export interface OwnCallbacks {
  /** Called after each step. @returns nothing, or a {@link CallbackAnswer} */
  onStep?(info: StepInfo): unknown
  /** Called after the validation of each epoch. @returns likewise */
  onEpoch?(info: EpochInfo): unknown
  /** @returns what checkpoints keep of the callbacks: plain JSON */
  state?(): unknown
}

/** Makes the callbacks of a run. @param saved what their `state` returned for the checkpoint that the run goes on from; undefined: it begins */
export type MakeCallbacks = (saved: unknown) => OwnCallbacks

/** The largest factor of the learning rate, and the largest product of them. */
export const MAX_RATE_FACTOR = 1e6

const answerSchema = z.strictObject({
  stop: z.boolean().exactOptional(),
  learningRateFactor: z.number().positive().max(MAX_RATE_FACTOR).exactOptional(),
})
/** stop: ends the run after this step. learningRateFactor: multiplies the learning rate of all further steps. */
export type CallbackAnswer = z.output<typeof answerSchema>

const NAMES = ['onStep', 'onEpoch', 'state'] as const

/** @param given `callbacks` of custom code: the functions, or a function that makes them @throws Error naming what is wrong */
export function callbacksOf(given: unknown): MakeCallbacks {
  if (typeof given !== 'function') {
    const callbacks = checkedCallbacks(given, 'custom.callbacks')
    return () => callbacks
  }
  return (saved) => checkedCallbacks((given as MakeCallbacks)(saved), 'the object that custom.callbacks returns')
}

/** @throws Error naming what is wrong with what a callback returned */
export function checkedAnswer(returned: unknown): CallbackAnswer {
  if (returned === undefined || returned === null) return {}
  if (typeof (returned as Partial<Promise<unknown>>).then === 'function')
    throw new Error('it returns a promise; make it a function that is not async')
  const { data, error } = answerSchema.safeParse(returned)
  if (data) return data
  const [{ path, message }] = error.issues as [z.core.$ZodIssue]
  throw new Error(
    `it returns ${['the object', ...path].join('.')}: ${message}; return nothing, { stop: true } or { learningRateFactor: 0.5 }`,
  )
}

function checkedCallbacks(given: unknown, what: string): OwnCallbacks {
  if (typeof given !== 'object' || given === null) throw new Error(`${what} is no object of functions`)
  for (const [name, value] of Object.entries(given)) {
    if (!NAMES.some((known) => known === name)) throw new Error(`${what} has ${name}; it may have ${NAMES.join(', ')}`)
    if (typeof value !== 'function') throw new Error(`${what}: ${name} is no function`)
  }
  return given
}
