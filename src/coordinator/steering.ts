import type { CheckpointOutcome } from '../durability/durable-run-options.js'
import { Deferred } from '../shared/deferred.js'
import { ConvoyError } from '../shared/errors.js'
import type { RunObserver } from '../training/run-events.js'
import type { TrainerHooks } from '../training/trainer-options.js'
import type { TrainingState } from '../training/training-state.js'

/** Checkpoints that are asked for. */
export interface CheckpointsOnRequest {
  /** Settles when none is being written. */
  settled(): Promise<void>
  /** Begins one, unless this step has one. @returns as soon as the state may change: what becomes of it */
  take(state: TrainingState): Promise<{ readonly outcome: Promise<CheckpointOutcome> }>
}

/** Hooks of a trainer that keep a run on disk. */
export interface SavingHooks extends TrainerHooks {
  /** Absent: the run makes no checkpoints. */
  readonly checkpoints?: CheckpointsOnRequest | undefined
}

export interface SteeringOptions {
  readonly observer: RunObserver
  /** No lease is given from now on, or leases are given again. */
  readonly onHold: (isHeld: boolean) => void
  /** Ends the run at once. */
  readonly signal: AbortSignal
  /** Ends the run after the step it is in. */
  readonly stopSignal: AbortSignal
  /** Monotonic milliseconds. */
  readonly now: () => number
}

export interface PausedRun {
  /** Steps done. */
  readonly step: number
  /** Of this step; undefined: the run makes none. */
  readonly checkpoint: CheckpointOutcome | undefined
}

/** A pause, from the moment it is asked for. */
class Pause {
  readonly paused = new Deferred<PausedRun>()
  /** Undefined until the run is paused. */
  begun: { readonly step: number; readonly ms: number } | undefined
}

/**
 * Pauses and checkpoints that a running run is asked for. They are carried out between two steps, where the rest of the run follows from
 * its state: not a bit depends on them.
 *
 *     going ──pause()──> pause asked for ──step done, checkpoint written──> paused ──continue(), stop──> going
 */
export class Steering {
  readonly #options: SteeringOptions
  /** The trainer has its hooks. */
  #hasBegun = false
  #hasEnded = false
  #checkpoints: CheckpointsOnRequest | undefined
  #pause: Pause | undefined
  #asked: Deferred<CheckpointOutcome> | undefined
  /** Lets a run that is held look at what it is asked for. */
  #wake: () => void = () => undefined

  constructor(options: SteeringOptions) {
    const { signal, stopSignal } = options
    this.#options = options
    for (const ending of [signal, stopSignal])
      ending.addEventListener(
        'abort',
        () => {
          this.#endPause('The run was asked to end before it was paused.')
        },
        { once: true },
      )
  }

  /** The hooks of the trainer: those that keep the run on disk, and what it is asked for between its steps. */
  hooks({ checkpoints, ...saving }: SavingHooks): TrainerHooks {
    this.#hasBegun = true
    this.#checkpoints = checkpoints
    if (checkpoints === undefined) this.#asked?.reject(noCheckpoints())
    return {
      ...saving,
      onBegin: async (state) => {
        await saving.onBegin?.(state)
        await this.#between(state)
      },
      onStepDone: (state) => this.#between(state, saving.onStepDone?.(state)),
    }
  }

  /**
   * Pauses the run after the step it is in.
   * @returns when it is paused, and its checkpoint is on disk or cannot be written
   * @throws ConvoyError('unavailable') when the run ends or continues before that
   */
  async pause(): Promise<PausedRun & { readonly wasPaused: boolean }> {
    this.#refuseAtEnd()
    if (this.#options.stopSignal.aborted) throw new ConvoyError('unavailable', 'The run was asked to stop.')
    const pause = (this.#pause ??= new Pause())
    const wasPaused = pause.begun !== undefined
    const { step, checkpoint } = await pause.paused.promise
    const mayTryAgain = wasPaused && checkpoint?.failure !== undefined
    return { step, checkpoint: mayTryAgain ? await this.#ask() : checkpoint, wasPaused }
  }

  /** A run that is paused, or was asked to pause, goes on. @returns false when there was nothing to do */
  continue(): boolean {
    return this.#endPause('The run was asked to continue before it was paused.')
  }

  /**
   * Makes a checkpoint after the step that the run is in.
   * @returns when it is on disk or cannot be written
   * @throws ConvoyError('usage') when the run makes no checkpoints; ConvoyError('unavailable') when it ends before that
   */
  async checkpoint(): Promise<CheckpointOutcome> {
    if (this.#hasBegun && this.#checkpoints === undefined) throw noCheckpoints()
    // The run would have to wait for the one that is being written.
    await this.#checkpoints?.settled()
    this.#refuseAtEnd()
    return this.#ask()
  }

  /** The trainer makes no step any more. */
  end(): void {
    this.#hasEnded = true
    this.#endPause('The run ended before it was paused.')
    this.#asked?.reject(new ConvoyError('unavailable', 'The run ended before its next step.'))
  }

  async #ask(): Promise<CheckpointOutcome> {
    const asked = (this.#asked ??= new Deferred())
    this.#wake()
    return asked.promise
  }

  #refuseAtEnd(): void {
    if (this.#hasEnded) throw new ConvoyError('unavailable', 'The run is over.')
    if (this.#options.signal.aborted) throw new ConvoyError('unavailable', 'The run is ending.')
  }

  #between(state: TrainingState, saved?: Promise<void>): Promise<void> | undefined {
    if (saved === undefined && this.#pause === undefined && this.#asked === undefined) return undefined
    return this.#carryOut(state, saved)
  }

  /** Settles when the run may go on. */
  async #carryOut(state: TrainingState, saved: Promise<void> | undefined): Promise<void> {
    await saved
    await this.#takeCheckpoint(state)
    const pause = this.#pause
    if (pause === undefined) return
    this.#options.onHold(true)
    this.#becomePaused(pause, state.step).catch(pause.paused.reject)
    while (this.#pause === pause) {
      if (this.#asked === undefined)
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      await this.#takeCheckpoint(state)
    }
  }

  async #takeCheckpoint(state: TrainingState): Promise<void> {
    const [checkpoints, asked] = [this.#checkpoints, this.#asked]
    if (checkpoints === undefined || asked === undefined) return
    this.#asked = undefined
    try {
      const { outcome } = await checkpoints.take(state)
      void outcome.then(asked.resolve)
    } catch (error) {
      asked.reject(error as Error)
      throw error
    }
  }

  async #becomePaused(pause: Pause, step: number): Promise<void> {
    const { observer, now } = this.#options
    const checkpoint = this.#checkpoints && (await this.#ask())
    if (this.#pause !== pause) return
    pause.begun = { step, ms: now() }
    observer({ kind: 'paused', step })
    pause.paused.resolve({ step, checkpoint })
  }

  /** @param why for those that wait for a pause that has not begun @returns whether there was a pause */
  #endPause(why: string): boolean {
    const pause = this.#pause
    if (pause === undefined) return false
    const { observer, onHold, signal, now } = this.#options
    this.#pause = undefined
    pause.paused.reject(new ConvoyError('unavailable', why))
    onHold(false)
    if (pause.begun !== undefined && !signal.aborted) {
      const { step, ms } = pause.begun
      observer({ kind: 'continued', step, seconds: (now() - ms) / 1000 })
    }
    this.#wake()
    return true
  }
}

function noCheckpoints(): ConvoyError {
  return new ConvoyError(
    'usage',
    'The run makes no checkpoints, because it was started with --checkpoint-every off. Start runs with --checkpoint-every 5m, for example.',
  )
}
