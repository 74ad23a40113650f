import { isDeepStrictEqual } from 'node:util'
import type { RunConfig } from '../../model/config/run-config.js'
import { ConvoyError } from '../../shared/errors.js'
import type { EvaluationResult } from '../run-events.js'
import type { CallbackAnswer, EpochInfo, MakeCallbacks, OwnCallbacks, StepInfo } from './own-callbacks.js'
import { checkedAnswer, MAX_RATE_FACTOR } from './own-callbacks.js'
import type { PlateauState } from './plateau.js'
import { afterValidation, reducedRate } from './plateau.js'

type Measures = NonNullable<EpochInfo['validation']>

/** What checkpoints keep of the callbacks: it decides the learning rates and the end of the run. */
export interface StoredCallbacks {
  readonly plateau: PlateauState
  /** Product of the factors that the user's callbacks returned. */
  readonly rateFactor: number
  /** Whether one of them ended the run. */
  readonly isStopped: boolean
  /** What their `state` returned, as JSON; null: they have none. */
  readonly saved: string | null
}

/** Of the JSON of the user's state, in bytes. */
export const MAX_SAVED_BYTES = 2 ** 20

const INITIAL: StoredCallbacks = { plateau: { reductions: 0, step: 0 }, rateFactor: 1, isStopped: false, saved: null }

/**
 * The callbacks of a run, which decide learning rates and its end: the plateau of the configuration, and the user's. Trainer and replay of the
 * journal call them in the same order with the same values, so that a run that goes on has the same bits.
 */
export class CallbackRunner {
  readonly #config: Pick<RunConfig, 'plateau' | 'custom'>
  #state: StoredCallbacks
  #own: OwnCallbacks | undefined
  #hasFailed = false

  /** @param stored of a checkpoint. @default before the first step */
  constructor(config: Pick<RunConfig, 'plateau' | 'custom'>, stored: StoredCallbacks = INITIAL) {
    this.#config = config
    this.#state = stored
  }

  /** Makes the user's callbacks, with what the checkpoint has of them. @throws ConvoyError('usage') when they cannot be made */
  begin(make: MakeCallbacks): void {
    const { saved } = this.#state
    this.#own = this.#guarded('custom.callbacks', 'cannot be made', () =>
      make(saved === null ? undefined : JSON.parse(saved)),
    )
  }

  /** Whether a callback ended the run. */
  get isStopped(): boolean {
    return this.#state.isStopped
  }

  /** Whether one failed: then the rest of the run does not follow from the state. */
  get hasFailed(): boolean {
    return this.#hasFailed
  }

  /** The learning rate of the next step. @param scheduled by the schedule */
  rate(scheduled: number): number {
    const { plateau } = this.#config
    const { reductions } = this.#state.plateau
    const reduced = plateau ? reducedRate(plateau, reductions, scheduled) : scheduled
    return reduced * this.#state.rateFactor
  }

  /** After a step was applied and counted. @throws ConvoyError('usage') when the user's callback fails */
  onStep({ step, epoch, learningRate, ...measured }: StepInfo): void {
    const own = this.#own
    if (own?.onStep === undefined) return
    const info = { step, epoch, learningRate, ...measures(measured) }
    this.#call('onStep', step, () => own.onStep!(info))
  }

  /**
   * After the validation of an epoch was kept in the state.
   * @param bestStep of the best validation so far, this one included
   * @param epochsAfter epochs of samples used after so many steps, fractional
   * @returns for the event of the validation
   * @throws ConvoyError('usage') when the user's callback fails
   */
  onEpoch(
    validation: EvaluationResult,
    bestStep: number,
    epochsAfter: (steps: number) => number,
  ): { readonly reducesRate?: true } {
    const { step, samples } = validation
    const { reductions } = this.#state.plateau
    const { plateau } = this.#config
    if (plateau) {
      const steps = { last: step, best: bestStep }
      this.#state = { ...this.#state, plateau: afterValidation(plateau, this.#state.plateau, steps, epochsAfter) }
    }
    const own = this.#own
    if (own?.onEpoch) {
      const measured = samples > 0 && { validation: measures(validation) }
      this.#call('onEpoch', step, () => own.onEpoch!({ step, epoch: epochsAfter(step), ...measured }))
    }
    return this.#state.plateau.reductions > reductions ? { reducesRate: true } : {}
  }

  /** For a checkpoint; undefined: the run has no callbacks. @throws ConvoyError('usage') when the user's state is no JSON, or too long */
  stored(): StoredCallbacks | undefined {
    if (this.#own) return { ...this.#state, saved: this.#saved(this.#own) }
    return this.#config.plateau || this.#state !== INITIAL ? this.#state : undefined
  }

  #saved(own: OwnCallbacks): string | null {
    if (own.state === undefined) return null
    return this.#guarded('callbacks.state', 'failed', () => {
      const value: unknown = own.state!()
      const text = JSON.stringify(value) as string | undefined
      if (text === undefined || !isDeepStrictEqual(JSON.parse(text), value))
        throw new Error('it returns what JSON does not keep, such as undefined, NaN, a Map or a promise')
      const bytes = Buffer.byteLength(text)
      if (bytes > MAX_SAVED_BYTES)
        throw new Error(`it returns ${bytes} bytes, and a checkpoint keeps ${MAX_SAVED_BYTES}`)
      return text
    })
  }

  #call(name: 'onStep' | 'onEpoch', step: number, call: () => unknown): void {
    this.#guarded(`callbacks.${name}`, `failed after step ${step}`, () => {
      this.#follow(checkedAnswer(call()))
    })
  }

  #follow({ stop = false, learningRateFactor = 1 }: CallbackAnswer): void {
    const rateFactor = this.#state.rateFactor * learningRateFactor
    if (rateFactor === 0 || rateFactor > MAX_RATE_FACTOR)
      throw new Error(
        `its factors make ${rateFactor} together; keep their product above 0 and up to ${MAX_RATE_FACTOR}`,
      )
    this.#state = { ...this.#state, rateFactor, isStopped: this.#state.isStopped || stop }
  }

  #guarded<Value>(name: string, what: string, run: () => Value): Value {
    try {
      return run()
    } catch (error) {
      this.#hasFailed = true
      const { message } = error instanceof Error ? error : new Error(String(error))
      throw new ConvoyError(
        'usage',
        `${name} of ${this.#config.custom?.name ?? 'the custom code'} ${what}: ${message.replace(/\.$/, '')}. ` +
          'Correct the module; `convoy train --fork <run>` begins a new run from the last checkpoint.',
        { cause: error },
      )
    }
  }
}

/** A copy: the user may change it. */
function measures({ loss, accuracy, metrics }: Measures): Measures {
  return { loss, ...(accuracy !== undefined && { accuracy }), ...(metrics && { metrics: { ...metrics } }) }
}
