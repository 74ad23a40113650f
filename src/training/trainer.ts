import type { SplitName } from '../data/dataset.js'
import { decodeEvaluation, evaluationLength } from '../model/objectives/evaluation.js'
import type { RunConfig } from '../model/config/run-config.js'
import { ConvoyError } from '../shared/errors.js'
import { applyGradient } from './apply-gradient.js'
import type { GradientSource } from './gradient-source.js'
import type { EvaluationResult, RunEvent, RunResult } from './run-events.js'
import { resultOf } from './run-result.js'
import type { TrainerHooks, TrainerOptions } from './trainer-options.js'
import type { RunHistory, Snapshot, TrainingState } from './training-state.js'
import { initialState, keepValidated } from './training-state.js'

export interface TrainingOutcome {
  /** From which the run can go on for more steps. */
  readonly state: TrainingState
  readonly result: RunResult
  readonly best: Snapshot
  readonly last: Snapshot
}

/** Epochs of samples used after so many steps. Divided once: a whole number comes out whole. */
export function epochsAfter(steps: number, config: Pick<RunConfig, 'batchSize'>, trainSamples: number): number {
  return (steps * config.batchSize) / trainSamples
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
  /** As they were when this trainer began. */
  readonly #earlier: Pick<RunHistory, 'elapsedMs' | 'reissued' | 'peakWorkers'>
  #isFirstStep = true
  /** Weights may be half old, half new: they cannot be saved. */
  #isApplying = false
  /** The event of the last step, emitted when the next step's leases are out: observers run while workers compute. */
  #pending: RunEvent | undefined

  constructor(options: TrainerOptions) {
    const { description, splitSizes, now } = options
    const { epochs, batchSize, maxSteps } = description.config
    this.#options = options
    this.#gradients = options.gradients
    this.#hooks = options.hooks ?? {}
    this.#plannedSteps = plannedSteps(epochs, splitSizes.train, batchSize)
    this.#totalSteps = Math.min(this.#plannedSteps, maxSteps ?? Infinity)
    this.#startedMs = now()
    this.state = options.state ?? initialState(description)
    this.#earlier = { ...this.state.history }
  }

  /**
   * The whole run.
   * @throws ConvoyError('training') when loss or gradient are not finite; the signal's reason when it fires
   */
  async train(): Promise<TrainingOutcome> {
    const { state } = this
    this.#begin()
    try {
      await this.#hooks.onBegin?.(state)
      if (this.#isValidationDue()) await this.#validate()
      while (state.step < this.#totalSteps && !this.#options.stopSignal.aborted && !this.#isStoppedEarly()) {
        if (this.#hooks.beforeStep) {
          this.#emitPending()
          await this.#hooks.beforeStep()
        }
        const gradient = await this.step()
        const isLast = state.step === this.#totalSteps || this.#options.stopSignal.aborted || state.callbacks.isStopped
        if (state.step === 1 || isLast || this.#isValidationDue()) this.#showEpoch(gradient)
        this.#gradients.release(gradient)
        if (this.#isValidationDue()) await this.#validate()
        const between = this.#hooks.onStepDone?.(state)
        if (between) {
          // It may take long: observers see the step first.
          this.#emitPending()
          await between
        }
      }
      return await this.#finish()
    } catch (error) {
      this.#emitPending()
      if (state.step > 0 && !this.#isApplying) await this.#hooks.onBrokenOff?.(state, !state.callbacks.hasFailed)
      throw error
    }
  }

  /**
   * One step: sums the gradients of a batch over all workers, applies the mean, and publishes the new weights.
   * @returns the averaged gradient, to be released; see {@link EpochSnapshot}
   */
  async step(): Promise<Float32Array> {
    const { now, signal, soon } = this.#options
    const { config, model } = this.#options.description
    const { state } = this
    const startedMs = now()
    const reducedMs = this.#gradients.stats.reduceMs
    const computing = this.#gradients.gradientSum(state.step, signal)
    if (soon) soon(() => this.#emitPending())
    else this.#emitPending()
    const sum = await computing
    const summedMs = now()
    const { stats } = this.#gradients
    const reduceMs = stats.reduceMs - reducedMs
    const waitMs = summedMs - startedMs - reduceMs
    await this.#hooks.onReduced?.(state.step, { waitMs, reduceMs, workers: stats.workers }, sum)
    const journaledMs = this.#hooks.onReduced ? now() : summedMs
    this.#isApplying = true
    const outcome = applyGradient(state, sum, model.layout, config, this.#plannedSteps)
    this.#isApplying = false
    if (outcome === undefined) throw diverged(state.step)
    const appliedMs = now()
    this.#gradients.publish(state.weights)
    state.step++
    const publishedMs = now()

    const durationMs = publishedMs - startedMs
    this.#count(durationMs, publishedMs - summedMs)
    this.#emitPending()
    const place = { step: state.step, epoch: this.#epochsAfter(state.step) }
    this.#pending = {
      ...{ kind: 'step', ...place },
      ...outcome,
      durationMs,
      phaseSeconds: {
        wait: waitMs / 1000,
        reduce: reduceMs / 1000,
        ...(this.#hooks.onReduced && { journal: (journaledMs - summedMs) / 1000 }),
        apply: (appliedMs - journaledMs) / 1000,
        publish: (publishedMs - appliedMs) / 1000,
      },
      workers: stats.workers,
    }
    state.callbacks.onStep({ ...place, ...outcome })
    return sum
  }

  #epochsAfter(steps: number): number {
    const { description, splitSizes } = this.#options
    return epochsAfter(steps, description.config, splitSizes.train)
  }

  /** Whether the last step ended an epoch that is not validated yet. */
  #isValidationDue(): boolean {
    const { step, last } = this.state
    const endsEpoch = step > 0 && Math.floor(this.#epochsAfter(step)) > Math.floor(this.#epochsAfter(step - 1))
    return endsEpoch && last?.step !== step
  }

  /**
   * Whether a callback said so, or enough epochs ended without a better validation. It follows from the state alone, so a resumed run stops
   * at the same step.
   */
  #isStoppedEarly(): boolean {
    const { earlyStopping } = this.#options.description.config
    const { best, last, callbacks } = this.state
    if (callbacks.isStopped) return true
    if (earlyStopping === undefined || best === undefined || last === undefined) return false
    return Math.floor(this.#epochsAfter(last.step)) - Math.floor(this.#epochsAfter(best.step)) >= earlyStopping
  }

  #begin(): void {
    const { description, splitSizes, observer } = this.#options
    const { config, dataset, model } = description
    observer({
      ...{ kind: 'started', config, dataset, splitSizes, totalSteps: this.#totalSteps },
      stepsPerEpoch: splitSizes.train / config.batchSize,
      parameterCount: model.layout.trainableCount,
    })
    const { step } = this.state
    const { checkpointStep } = this.#options
    if (checkpointStep !== undefined)
      observer({ kind: 'resumed', step, epoch: this.#epochsAfter(step), checkpointStep })
    this.#gradients.publish(this.state.weights)
  }

  #emitPending(): void {
    const event = this.#pending
    this.#pending = undefined
    if (event) this.#options.observer(event)
  }

  #count(durationMs: number, betweenStepsMs: number): void {
    const { history } = this.state
    history.betweenStepsMs += betweenStepsMs
    history.measuredSteps++
    this.#updateHistory()
    // The first step waits for workers to start, so its duration is not counted.
    if (!this.#isFirstStep) {
      history.steadyMs += durationMs
      history.steadySteps++
    }
    this.#isFirstStep = false
  }

  #updateHistory(): void {
    const { history } = this.state
    const { elapsedMs, reissued, peakWorkers } = this.#earlier
    const { stats } = this.#gradients
    history.elapsedMs = elapsedMs + this.#options.now() - this.#startedMs
    history.reissued = reissued + stats.reissued
    history.peakWorkers = Math.max(peakWorkers, stats.peakWorkers)
  }

  #showEpoch(gradient: Float32Array): void {
    const { step, weights } = this.state
    this.#emitPending()
    this.#hooks.onEpoch?.({ step, layout: this.#options.description.model.layout, weights, gradient })
  }

  /** @param state where the validation is kept */
  async #validate(state: TrainingState = this.state): Promise<void> {
    const validation = await this.#evaluate('validation', state.step)
    const { last, isBest } = keepValidated(state, validation)
    const isInState = state === this.state
    const effects = isInState
      ? state.callbacks.onEpoch(validation, state.best!.step, (steps) => this.#epochsAfter(steps))
      : {}
    await this.#hooks.onValidated?.(last, isBest, isInState)
    this.#emitEvaluated(validation, isBest, effects)
  }

  async #finish(): Promise<TrainingOutcome> {
    const { observer } = this.#options
    this.#emitPending()
    // A validation in mid-epoch decides the result, but stays out of the state: a run that is resumed and goes on would not have it.
    const state = { ...this.state }
    if (state.last?.step !== state.step) await this.#validate(state)
    const { best, last } = state
    if (best === undefined || last === undefined)
      throw new ConvoyError('internal', 'the run ended without a validation')

    // The best weights are tested: they are the ones that will be used.
    if (best.step !== state.step) this.#gradients.publish(best.weights)
    const test = await this.#evaluate('test', best.step)
    this.#emitEvaluated(test, true)
    this.#updateHistory()
    const stoppedEarly = state.step < this.#totalSteps && this.#isStoppedEarly()
    const result = resultOf({ ...this.#options, state, best, last, test, stoppedEarly, stats: this.#gradients.stats })
    observer({ kind: 'finished', result })
    return { state: this.state, result, best, last }
  }

  async #evaluate(split: SplitName, step: number): Promise<EvaluationResult> {
    const { observer, splitSizes, description, signal, now } = this.#options
    const { model } = description
    const startedMs = now()
    const total = splitSizes[split]
    if (total === 0) return notMeasured(split, step)
    const onProgress = (done: number): void => {
      observer({ kind: 'evaluating', split, done, total })
    }
    onProgress(0)
    const sum = await this.#gradients.evaluationSum(split, step, signal, onProgress)
    const evaluation = decodeEvaluation(sum, sum[evaluationLength(model) - 1]!, model, total)
    const counted = evaluation.confusion.flat().reduce((count, cell) => count + cell, 0)
    if (model.classCount > 0 && counted !== total)
      throw new ConvoyError('internal', `${counted} of ${total} in the ${split} split were evaluated`)
    return { split, step, ...evaluation, durationMs: now() - startedMs }
  }

  #emitEvaluated(result: EvaluationResult, best: boolean, effects: { readonly reducesRate?: true } = {}): void {
    if (result.samples === 0) return
    this.#options.observer({ kind: 'evaluated', result, epoch: this.#epochsAfter(result.step), best, ...effects })
  }
}

/** Of a split without samples: of two such validations, the later one is the better. */
function notMeasured(split: SplitName, step: number): EvaluationResult {
  return { split, step, samples: 0, loss: NaN, confusion: [], durationMs: 0 }
}

function diverged(step: number): ConvoyError {
  return new ConvoyError(
    'training',
    `Step ${step + 1}: loss or gradient are not finite any more; nothing was applied. ` +
      'The training diverged: lower the learning rate (--learning-rate) or clip the gradient (--set clipNorm=1).',
  )
}
