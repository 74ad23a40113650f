import type { SplitName } from '../data/dataset.js'
import { decodeEvaluation } from '../model/decode-evaluation.js'
import type { ParameterLayout } from '../model/parameter-layout.js'
import type { RunDescription } from '../model/run-description.js'
import { ConvoyError } from '../shared/errors.js'
import { applyGradient } from './apply-gradient.js'
import { isBetter } from './best-weights.js'
import type { GradientSource } from './gradient-source.js'
import type { EvaluationResult, RunEvent, RunObserver, RunResult } from './run-events.js'
import { resultOf } from './run-result.js'
import type { SliceThreads } from './slices/slice-threads.js'
import type { Snapshot, TrainingState } from './training-state.js'
import { initialState } from './training-state.js'

export interface TrainerOptions {
  readonly description: RunDescription
  /** Where the data set came from, for the result. */
  readonly datasetFrom?: string
  readonly splitSizes: Readonly<Record<SplitName, number>>
  readonly gradients: GradientSource
  /** Of an earlier run of the same description, which goes on from it; see training-state-tensors.ts. @default before the first step */
  readonly state?: TrainingState | undefined
  readonly sliceThreads: SliceThreads
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
  /** Awaited before each step: the run pauses until it settles. */
  readonly beforeStep?: (() => Promise<void>) | undefined
  /** Called after the first step, the last of each epoch, and the last of all. */
  readonly onEpoch?: ((snapshot: EpochSnapshot) => void) | undefined
  /** Awaited after each validation and before its event: weights that an event calls the best are saved by then. */
  readonly onValidated?: ((snapshot: Snapshot, isBest: boolean) => Promise<void>) | undefined
  /** Awaited with the weights and the steps in them when the run breaks off after at least one step. */
  readonly onBrokenOff?: ((weights: Float32Array, step: number) => Promise<void>) | undefined
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

export interface TrainingOutcome {
  readonly result: RunResult
  readonly best: Snapshot
  readonly last: Snapshot
}

/** Steps of a whole run: the last batch is full, and may reach into one more epoch. */
export function plannedSteps(epochs: number, trainSamples: number, batchSize: number): number {
  return Math.ceil((epochs * trainSamples) / batchSize)
}

/**
 * Trains: the summed gradient of one step after the other, a validation after each epoch, the test at the end. Everything that decides a
 * number is in the description; the gradient source decides who computes and how fast.
 */
export class Trainer {
  readonly state: TrainingState
  readonly #options: TrainerOptions
  readonly #gradients: GradientSource
  readonly #hooks: TrainerHooks
  readonly #plannedSteps: number
  readonly #totalSteps: number
  readonly #startedMs: number
  /** Weights may be half old, half new: they cannot be saved. */
  #isApplying = false
  /** The event of the last step, emitted when the next step's leases are out: observers run while workers compute. */
  #pending: RunEvent | undefined

  constructor(options: TrainerOptions) {
    const { description, splitSizes, sliceThreads, now } = options
    const { epochs, batchSize, maxSteps } = description.config
    this.#options = options
    this.#gradients = options.gradients
    this.#hooks = options.hooks ?? {}
    this.#plannedSteps = plannedSteps(epochs, splitSizes.train, batchSize)
    this.#totalSteps = Math.min(this.#plannedSteps, maxSteps ?? Infinity)
    this.#startedMs = now()
    this.state = options.state ?? initialState(description, (length) => sliceThreads.allocate(length))
  }

  /**
   * The whole run.
   * @throws ConvoyError('training') when loss or gradient are not finite; the signal's reason when it fires
   */
  async train(): Promise<TrainingOutcome> {
    const { state } = this
    this.#begin()
    try {
      while (state.step < this.#totalSteps && !this.#options.stopSignal.aborted) {
        if (this.#hooks.beforeStep) {
          this.#emitPending()
          await this.#hooks.beforeStep()
        }
        const gradient = await this.step()
        const endsEpoch = Math.floor(this.#epochsAfter(state.step)) > Math.floor(this.#epochsAfter(state.step - 1))
        const validates = endsEpoch || state.step === this.#totalSteps || this.#options.stopSignal.aborted
        if (state.step === 1 || validates) this.#showEpoch(gradient)
        this.#gradients.release(gradient)
        if (validates) await this.#validate()
      }
      return await this.#finish()
    } catch (error) {
      this.#emitPending()
      if (state.step > 0 && !this.#isApplying) await this.#hooks.onBrokenOff?.(state.weights, state.step)
      throw error
    }
  }

  /**
   * One step: sums the gradients of a batch over all workers, applies the mean, and publishes the new weights.
   * @returns the averaged gradient, to be released; see {@link EpochSnapshot}
   */
  async step(): Promise<Float32Array> {
    const { now, signal, soon, sliceThreads } = this.#options
    const { config, model } = this.#options.description
    const { state } = this
    const startedMs = now()
    const reducedMs = this.#gradients.stats.reduceMs
    const computing = this.#gradients.gradientSum(state.step, signal)
    if (soon) soon(() => this.#emitPending())
    else this.#emitPending()
    const sum = await computing
    const summedMs = now()
    this.#isApplying = true
    const metrics = applyGradient(state, sum, model.layout, config, this.#plannedSteps, sliceThreads)
    this.#isApplying = false
    if (metrics === undefined) throw diverged(state.step)
    const appliedMs = now()
    this.#gradients.publish(state.weights)
    state.step++
    const publishedMs = now()

    const { stats } = this.#gradients
    const reduceMs = stats.reduceMs - reducedMs
    const durationMs = publishedMs - startedMs
    this.#count(durationMs, publishedMs - summedMs)
    this.#emitPending()
    this.#pending = {
      kind: 'step',
      step: state.step,
      epoch: this.#epochsAfter(state.step),
      ...metrics,
      durationMs,
      phaseSeconds: {
        wait: (summedMs - startedMs - reduceMs) / 1000,
        reduce: reduceMs / 1000,
        apply: (appliedMs - summedMs) / 1000,
        publish: (publishedMs - appliedMs) / 1000,
      },
      workers: stats.workers,
    }
    return sum
  }

  /** Epochs used after this many steps. One division, so that a whole number is exact. */
  #epochsAfter(steps: number): number {
    const { description, splitSizes } = this.#options
    return (steps * description.config.batchSize) / splitSizes.train
  }

  #begin(): void {
    const { description, splitSizes, observer } = this.#options
    const { config, dataset, model } = description
    observer({
      ...{ kind: 'started', config, dataset, splitSizes, totalSteps: this.#totalSteps },
      stepsPerEpoch: splitSizes.train / config.batchSize,
      parameterCount: model.layout.trainableCount,
    })
    this.#gradients.publish(this.state.weights)
  }

  #emitPending(): void {
    const event = this.#pending
    this.#pending = undefined
    if (event) this.#options.observer(event)
  }

  /** The first step waits for workers to start, so its duration is not counted. */
  #count(durationMs: number, betweenStepsMs: number): void {
    const { step, timing } = this.state
    timing.betweenStepsMs += betweenStepsMs
    if (step === 1) return
    timing.steadyMs += durationMs
    timing.steadySteps++
  }

  #showEpoch(gradient: Float32Array): void {
    const { step, weights } = this.state
    this.#emitPending()
    this.#hooks.onEpoch?.({ step, layout: this.#options.description.model.layout, weights, gradient })
  }

  async #validate(): Promise<void> {
    const { state } = this
    const validation = await this.#evaluate('validation', state.step)
    const isBest = isBetter(validation, state.best?.validation)
    const last: Snapshot = { step: state.step, weights: state.weights.slice(), validation }
    state.last = last
    if (isBest) state.best = last
    await this.#hooks.onValidated?.(last, isBest)
    this.#emitEvaluated(validation, isBest)
  }

  async #finish(): Promise<TrainingOutcome> {
    const { state } = this
    const { observer, now } = this.#options
    this.#emitPending()
    if (state.last?.step !== state.step) await this.#validate()
    const { best, last } = state
    if (best === undefined || last === undefined)
      throw new ConvoyError('internal', 'the run ended without a validation')

    // The best weights are tested: they are the ones that will be used.
    if (best.step !== state.step) this.#gradients.publish(best.weights)
    const test = await this.#evaluate('test', best.step)
    this.#emitEvaluated(test, true)
    const seconds = (now() - this.#startedMs) / 1000
    const result = resultOf({ ...this.#options, state, best, last, test, seconds, stats: this.#gradients.stats })
    observer({ kind: 'finished', result })
    return { result, best, last }
  }

  async #evaluate(split: SplitName, step: number): Promise<EvaluationResult> {
    const { observer, splitSizes, description, signal, now } = this.#options
    const { classCount } = description.model
    const startedMs = now()
    const total = splitSizes[split]
    const onProgress = (done: number): void => {
      observer({ kind: 'evaluating', split, done, total })
    }
    onProgress(0)
    const sum = await this.#gradients.evaluationSum(split, step, signal, onProgress)
    const evaluation = decodeEvaluation(sum, sum[classCount * classCount]!, classCount, total)
    const counted = evaluation.confusion.flat().reduce((count, cell) => count + cell, 0)
    if (counted !== total)
      throw new ConvoyError('internal', `${counted} of ${total} in the ${split} split were evaluated`)
    return { split, step, ...evaluation, durationMs: now() - startedMs }
  }

  #emitEvaluated(result: EvaluationResult, best: boolean): void {
    this.#options.observer({ kind: 'evaluated', result, epoch: this.#epochsAfter(result.step), best })
  }
}

function diverged(step: number): ConvoyError {
  return new ConvoyError(
    'training',
    `Step ${step + 1}: loss or gradient are not finite any more; nothing was applied. ` +
      'The training diverged: lower the learning rate (--learning-rate) or clip the gradient (--set clipNorm=1).',
  )
}
