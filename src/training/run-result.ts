import { gradientLength } from '../model/parameter-layout.js'
import type { RunDescription } from '../model/run-description.js'
import { weightsSha256 } from '../model/weights-sha256.js'
import type { GradientSourceStats } from './gradient-source.js'
import type { EvaluationResult, RunResult, WeightsSummary } from './run-events.js'
import type { Snapshot, TrainingState } from './training-state.js'

export interface FinishedRun {
  readonly description: RunDescription
  readonly datasetFrom?: string
  readonly state: TrainingState
  readonly best: Snapshot
  readonly last: Snapshot
  /** Of the best weights. */
  readonly test: EvaluationResult
  readonly stoppedEarly: boolean
  readonly stats: Pick<GradientSourceStats, 'shardMs' | 'shardJitter' | 'resultMs'>
}

/** What goes into `result.json`. */
export function resultOf(run: FinishedRun): RunResult {
  const { description, datasetFrom, state, best, last, test, stoppedEarly, stats } = run
  const { config, dataset, model } = description
  const { step, history } = state
  const { steadyMs, steadySteps, betweenStepsMs, measuredSteps } = history
  const weights = { best: summaryOf(best), last: summaryOf(last) }
  return {
    weightsSha256: weights.last.sha256,
    weights,
    steps: step,
    ...(stoppedEarly && { stoppedEarly, ...(state.callbacks.isStopped && { stoppedBy: 'callback' }) }),
    samplesSeen: step * config.batchSize,
    samplesPerSecond: steadyMs > 0 ? (steadySteps * config.batchSize) / (steadyMs / 1000) : 0,
    workers: history.peakWorkers,
    seconds: history.elapsedMs / 1000,
    ...(best.validation.samples > 0 && { validation: { ...best.validation, weights: 'best' as const } }),
    ...(test.samples > 0 && { test: { ...test, weights: 'best' as const } }),
    bestStep: best.step,
    dataset: dataset.name,
    datasetFingerprint: dataset.fingerprint,
    datasetFrom,
    classNames: dataset.classNames,
    inputShape: model.inputShape,
    config,
    reissued: history.reissued,
    timing: {
      shardMs: stats.shardMs,
      ...(stats.shardJitter !== undefined && { shardJitter: stats.shardJitter }),
      resultMs: stats.resultMs,
      betweenStepsMs: measuredSteps > 0 ? betweenStepsMs / measuredSteps : 0,
      vectorBytes: 4 * gradientLength(model.layout),
    },
  }
}

function summaryOf({ step, weights, validation: { samples, accuracy, loss } }: Snapshot): WeightsSummary {
  const validation = { ...(accuracy !== undefined && { accuracy }), loss }
  return { step, sha256: weightsSha256(weights), ...(samples > 0 && { validation }) }
}
