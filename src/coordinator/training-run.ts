import type { DatasetInfo, SplitName } from '../data/dataset.js'
import type { ParameterLayout } from '../model/parameter-layout.js'
import { evaluationLength, gradientLength } from '../model/parameter-layout.js'
import { initialWeights } from '../model/initial-weights.js'
import type { RunDescription } from '../model/run-description.js'
import { weightsSha256 } from '../model/weights-sha256.js'
import { ConvoyError } from '../shared/errors.js'
import { applyGradient } from './apply-gradient.js'
import { isBetter } from './best-weights.js'
import type { WorkDescriber } from './describe-work.js'
import { evaluationPart, gradientPart } from './describe-work.js'
import { createOptimizer } from './optimizer.js'
import type { EvaluationResult, RunObserver, RunResult, WeightsSummary } from './run-events.js'
import type { WeightsBoard } from './weights-board.js'
import type { WorkerPool } from './worker-pool.js'

export interface TrainingRunOptions {
  readonly description: RunDescription
  /** Where the data set came from, for the result. */
  readonly datasetFrom?: string
  readonly splitSizes: Readonly<Record<SplitName, number>>
  readonly pool: WorkerPool
  readonly board: WeightsBoard
  readonly observer: RunObserver
  /** Ends the run at once; nothing is evaluated any more. */
  readonly signal: AbortSignal
  /** Awaited after each validation, before it is announced: what is announced as best so far is saved. */
  readonly onValidated?: (snapshot: Snapshot, isBest: boolean) => Promise<void>
  /** Called with the weights and the steps in them when the run breaks off after at least one step. */
  readonly onBrokenOff?: (weights: Float32Array, step: number) => Promise<void>
  /** Awaited before each step; holds the run while it does not settle. */
  readonly beforeStep?: (() => Promise<void>) | undefined
  /** Called after the first step, the last of each epoch, and the last of all. */
  readonly onLandmark?: ((landmark: Landmark) => void) | undefined
  /** Ends the run after the step it is in, with evaluation. */
  readonly stopSignal: AbortSignal
  readonly describer: WorkDescriber
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Runs a task when what was sent has gone out. Absent: at once. */
  readonly soon?: (task: () => void) => void
}

/** A step worth a closer look. The vectors are the run's own: valid during the call, and only to read. */
export interface Landmark {
  /** Steps applied so far. */
  readonly step: number
  readonly layout: ParameterLayout
  /** Float32, `[layout.weightCount]`. */
  readonly weights: Float32Array
  /** What the optimizer got: averaged, with L2, clipped. Float32, at least `[layout.trainableCount]`. */
  readonly gradient: Float32Array
}

/** Weights at a moment of the run, and how good they are. */
export interface Snapshot {
  readonly step: number
  readonly weights: Float32Array
  readonly validation: EvaluationResult
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
 * Trains: the reduced gradient of one step after the other, validation after each epoch, test at the end.
 * Everything that decides a number is in the description; the pool only decides who computes and how fast.
 *
 * @throws ConvoyError('training') when loss or gradient are not finite; the signal's reason when it fires
 */
export async function trainingRun(options: TrainingRunOptions): Promise<TrainingOutcome> {
  const { description, splitSizes, pool, board, observer, signal, stopSignal, describer, now } = options
  const { config, model, dataset } = description
  const { layout } = model
  const { batchSize, shardSize } = config

  /** Of samples used after so many steps. Divided once: a whole number comes out whole. */
  const epochsAfter = (steps: number): number => (steps * batchSize) / splitSizes.train
  const scheduledSteps = plannedSteps(config.epochs, splitSizes.train, batchSize)
  const totalSteps = Math.min(scheduledSteps, config.maxSteps ?? Infinity)
  const { lanes } = pool
  const weights = lanes.allocate(layout.weightCount)
  weights.set(initialWeights(layout, config.seed))
  const optimizer = createOptimizer(config.optimizer, layout, (length) => lanes.allocate(length))

  observer({
    kind: 'started',
    config,
    dataset,
    splitSizes,
    totalSteps,
    stepsPerEpoch: splitSizes.train / batchSize,
    parameterCount: layout.trainableCount,
  })
  const startedMs = now()
  let weightsVersion = board.publish(weights)
  let best: Snapshot | undefined
  let last: Snapshot | undefined
  let step = 0
  let trainingMs = 0
  let steadySteps = 0
  let betweenStepsMs = 0
  /** When this fails on the way, some weights are new and some are not. */
  let isApplying = false
  /** What is to be told of the last step. It waits until the next one's leases are out: workers compute while people are told. */
  let untold: (() => void) | undefined
  const tell = (): void => {
    untold?.()
    untold = undefined
  }
  const soon = options.soon ?? ((task) => task())

  try {
    return await train()
  } catch (error) {
    tell()
    if (step > 0 && !isApplying) await options.onBrokenOff?.(weights, step)
    throw error
  }

  async function train(): Promise<TrainingOutcome> {
    while (step < totalSteps && !stopSignal.aborted) {
      if (options.beforeStep) {
        tell()
        await options.beforeStep()
      }
      const stepStartedMs = now()
      const taskStep = step
      const reducedMs = pool.reduceMs
      const computing = pool.compute(
        {
          work: 'WORK_GRADIENT',
          step,
          split: 'train',
          shards: batchSize / shardSize,
          vectorLength: gradientLength(layout),
          weightsVersion,
          trainingSamples: shardSize,
          describeIndex: (index) => gradientPart(layout, index),
          describeShards: (first, count) => describer.step(taskStep, first, count),
        },
        signal,
      )
      soon(tell)
      const sum = await computing
      const summedMs = now()
      isApplying = true
      const outcome = applyGradient(weights, sum, optimizer, layout, config, step, scheduledSteps, lanes)
      isApplying = false
      if (outcome === undefined) throw diverged(step)
      const appliedMs = now()
      weightsVersion = board.publish(weights)
      step++
      const publishedMs = now()
      betweenStepsMs += publishedMs - summedMs

      const durationMs = publishedMs - stepStartedMs
      const reduceMs = pool.reduceMs - reducedMs
      const phaseSeconds = {
        wait: (summedMs - stepStartedMs - reduceMs) / 1000,
        reduce: reduceMs / 1000,
        apply: (appliedMs - summedMs) / 1000,
        publish: (publishedMs - appliedMs) / 1000,
      }
      // The first step waits for workers to start; it says nothing about speed.
      if (step > 1) {
        trainingMs += durationMs
        steadySteps++
      }
      const epoch = epochsAfter(step)
      const event = { step, epoch, ...outcome, durationMs, phaseSeconds, workers: pool.workerCount }
      tell()
      untold = () => {
        observer({ kind: 'step', ...event })
      }

      const endsEpoch = Math.floor(epoch) > Math.floor(epochsAfter(step - 1))
      const ends = endsEpoch || step === totalSteps || stopSignal.aborted
      if (step === 1 || ends) {
        tell()
        options.onLandmark?.({ step, layout, weights, gradient: sum })
      }
      pool.vectors.give(sum)
      if (ends) await validate()
    }
    tell()
    if (last?.step !== step) await validate()
    if (best === undefined || last === undefined)
      throw new ConvoyError('internal', 'the run ended without a validation')

    // The best weights are tested; they are the ones that people will use.
    if (best.step !== step) weightsVersion = board.publish(best.weights)
    const test = await evaluate('test', best.step)
    observer({ kind: 'evaluated', result: test, epoch: epochsAfter(best.step), best: true })

    const summaries = { best: summaryOf(best), last: summaryOf(last) }
    const result: RunResult = {
      weightsSha256: summaries.last.sha256,
      weights: summaries,
      steps: step,
      samplesSeen: step * batchSize,
      samplesPerSecond: trainingMs > 0 ? (steadySteps * batchSize) / (trainingMs / 1000) : 0,
      workers: pool.peakWorkers,
      seconds: (now() - startedMs) / 1000,
      validation: { ...best.validation, weights: 'best' },
      test: { ...test, weights: 'best' },
      bestStep: best.step,
      dataset: dataset.name,
      datasetFingerprint: dataset.fingerprint,
      datasetFrom: options.datasetFrom,
      classNames: dataset.classNames,
      inputShape: model.inputShape,
      config,
      reissued: pool.reissued,
      timing: {
        shardMs: pool.shardMs,
        resultMs: pool.resultMs,
        betweenStepsMs: step > 0 ? betweenStepsMs / step : 0,
        vectorBytes: 4 * gradientLength(layout),
      },
    }
    observer({ kind: 'finished', result })
    return { result, best, last }
  }

  async function validate(): Promise<void> {
    const validation = await evaluate('validation', step)
    const isBest = isBetter(validation, best?.validation)
    last = { step, weights: weights.slice(), validation }
    if (isBest) best = last
    await options.onValidated?.(last, isBest)
    observer({ kind: 'evaluated', result: validation, epoch: epochsAfter(step), best: isBest })
  }

  async function evaluate(split: SplitName, atStep: number): Promise<EvaluationResult> {
    const evaluationStartedMs = now()
    const samples = splitSizes[split]
    const tell = (done: number): void => {
      observer({ kind: 'evaluating', split, done: Math.min(done, samples), total: samples })
    }
    tell(0)
    const sum = await pool.compute(
      {
        work: 'WORK_EVALUATE',
        step: atStep,
        split,
        shards: Math.ceil(samples / config.evaluationShardSize),
        vectorLength: evaluationLength(model.classCount),
        weightsVersion,
        describeIndex: (index) => evaluationPart(model.classCount, index),
        describeShards: (first, count) => describer.evaluation(split, first, count),
        onProgress: (shards) => {
          tell(shards * config.evaluationShardSize)
        },
      },
      signal,
    )
    return summarise(sum, split, atStep, samples, dataset, now() - evaluationStartedMs)
  }
}

function summaryOf({ step, weights, validation: { accuracy, loss } }: Snapshot): WeightsSummary {
  return { step, sha256: weightsSha256(weights), validation: { accuracy, loss } }
}

/** Reads an evaluation vector: `[confusion[label][prediction] … | loss sum]`. */
function summarise(
  sum: Float32Array,
  split: SplitName,
  step: number,
  samples: number,
  dataset: DatasetInfo,
  durationMs: number,
): EvaluationResult {
  const classes = dataset.classNames.length
  const confusion = Array.from({ length: classes }, (_, label) => [
    ...sum.subarray(label * classes, (label + 1) * classes),
  ])
  const counted = confusion.flat().reduce((total, count) => total + count, 0)
  if (counted !== samples) {
    throw new ConvoyError('internal', `${counted} of ${samples} in the ${split} split were evaluated`)
  }
  const correct = confusion.reduce((total, row, label) => total + row[label]!, 0)
  return {
    split,
    step,
    samples,
    loss: sum[classes * classes]! / samples,
    accuracy: correct / samples,
    confusion,
    durationMs,
  }
}

function diverged(step: number): ConvoyError {
  return new ConvoyError(
    'training',
    `Step ${step + 1}: loss or gradient are not finite any more; nothing was applied. ` +
      'The training diverged: lower the learning rate (--learning-rate) or clip the gradient (--set clipNorm=1).',
  )
}
