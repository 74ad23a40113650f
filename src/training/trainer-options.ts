import type { SplitName } from '../data/dataset.js'
import type { ParameterLayout } from '../model/parameter-layout.js'
import type { RunDescription } from '../model/run-description.js'
import type { GradientSource } from './gradient-source.js'
import type { RunObserver } from './run-events.js'
import type { Snapshot, TrainingState } from './training-state.js'

export interface TrainerOptions {
  readonly description: RunDescription
  /** Where the data set came from, for the result. */
  readonly datasetFrom?: string
  readonly splitSizes: Readonly<Record<SplitName, number>>
  readonly gradients: GradientSource
  /** Of an earlier run of the same description, which goes on from it; see training-state-tensors.ts. @default before the first step */
  readonly state?: TrainingState | undefined
  /** Steps in the checkpoint that this state is from; later steps came from the journal. */
  readonly checkpointStep?: number | undefined
  readonly observer: RunObserver
  readonly hooks?: TrainerHooks | undefined
  /** Ends the run at once; nothing is evaluated any more. */
  readonly signal: AbortSignal
  /** Ends the run after the step it is in, with evaluation. */
  readonly stopSignal: AbortSignal
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Runs a task when what was sent has gone out. Absent: at once. */
  readonly soon?: (task: () => void) => void
}

export interface TrainerHooks {
  /** Awaited before anything is computed. */
  readonly onBegin?: ((state: TrainingState) => Promise<void>) | undefined
  /** Awaited before each step: the run pauses until it settles. */
  readonly beforeStep?: (() => Promise<void>) | undefined
  /** Called after the first step, the last of each epoch, and the last of all. */
  readonly onEpoch?: ((snapshot: EpochSnapshot) => void) | undefined
  /** Awaited with the sum of a step's gradients before it is applied: the step journal. @param step steps applied so far */
  readonly onReduced?: ((step: number, details: ReducedDetails, sum: Float32Array) => Promise<void>) | undefined
  /**
   * Awaited after each validation and before its event: weights that an event calls the best are saved by then.
   * @param isInState it is part of the training state: that of an epoch's end. Another one, at the end of the run, only decides the result
   */
  readonly onValidated?: ((snapshot: Snapshot, isBest: boolean, isInState: boolean) => Promise<void>) | undefined
  /**
   * Awaited between two steps, with the validation of the last one done: the rest of the run follows from the state. The run is paused until
   * it settles; the signals that end the run have to settle it.
   */
  readonly onStepDone?: ((state: TrainingState) => Promise<void> | undefined) | undefined
  /**
   * Awaited when the run breaks off after at least one step.
   * @param isWhole the rest of the run follows from the state. Otherwise a callback failed: it belongs into no checkpoint
   */
  readonly onBrokenOff?: ((state: TrainingState, isWhole: boolean) => Promise<void>) | undefined
}

/** How the sum of a step came about. */
export interface ReducedDetails {
  /** From the first lease to the last result, without {@link reduceMs}. */
  readonly waitMs: number
  readonly reduceMs: number
  readonly workers: number
}

/** The vectors are the run's own: valid during the call, and only to read. */
export interface EpochSnapshot {
  /** Steps applied so far. */
  readonly step: number
  readonly layout: ParameterLayout
  /** Float32, `[layout.weightCount]`. */
  readonly weights: Float32Array
  /** Averaged, with L2, before clipping, which the optimizer applies as it reads. Float32, at least `[layout.trainableCount]`. */
  readonly gradient: Float32Array
}
