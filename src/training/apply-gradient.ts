import type { ParameterLayout } from '../model/parameter-layout.js'
import { measuresOf } from '../model/parameter-layout.js'
import type { RunConfig } from '../model/config/run-config.js'
import { averageGradient } from './average-gradient.js'
import { learningRate } from './schedules/schedules.js'
import type { TrainingState } from './training-state.js'
import { trainableTensors, update } from './optimizers/optimizer.js'

export interface StepOutcome {
  /** Mean over the batch. */
  readonly loss: number
  /** Share of correct predictions, where there is one output of classes, or of yes or no. */
  readonly accuracy?: number
  /** Other means over the batch, by name. */
  readonly metrics?: Readonly<Record<string, number>>
  readonly learningRate: number
  /** L2 norm of the averaged gradient, with L2 and before clipping. */
  readonly gradientNorm: number
}

/**
 * Everything that happens to a reduced gradient: mean over the batch, L2, clipping, optimizer, moving statistics.
 *
 * @param state weights and optimizer are updated in place, and left as they are when the gradient is not finite; the caller counts the step.
 *   Without callbacks, the learning rate is that of the schedule
 * @param sum float32, `[gradientLength(layout)]`: the sum over all shards; overwritten
 * @param totalSteps that the learning rates are planned for
 * @returns undefined when loss or gradient are not finite: nothing was applied
 */
export function applyGradient(
  {
    weights,
    optimizer,
    step,
    callbacks,
  }: Pick<TrainingState, 'weights' | 'optimizer' | 'step'> & Partial<Pick<TrainingState, 'callbacks'>>,
  sum: Float32Array,
  layout: ParameterLayout,
  config: RunConfig,
  totalSteps: number,
): StepOutcome | undefined {
  const { batchSize, shardSize, clipNorm } = config
  const { trainableCount, weightCount, statisticsMomentum } = layout

  const tensors = trainableTensors(layout)
  const squares = averageGradient(sum, weights, batchSize, tensors, trainableCount)
  const gradientNorm = Math.sqrt(squares.reduce((total, slice) => total + slice, 0))
  const loss = sum[weightCount]! / batchSize
  if (!Number.isFinite(gradientNorm) || !Number.isFinite(loss)) return undefined

  const scale = clipNorm !== null && gradientNorm > clipNorm ? clipNorm / gradientNorm : 1
  const scheduled = learningRate(config.schedule, step, totalSteps)
  const rate = callbacks ? callbacks.rate(scheduled) : scheduled
  update(optimizer.step(rate), weights, sum, scale, 0, trainableCount)

  const shards = batchSize / shardSize
  for (let index = trainableCount; index < weightCount; index++) {
    weights[index] = statisticsMomentum * weights[index]! + ((1 - statisticsMomentum) * sum[index]!) / shards
  }
  return { loss, ...meanMeasures(sum, layout, batchSize), learningRate: rate, gradientNorm }
}

function meanMeasures(
  sum: Float32Array,
  layout: ParameterLayout,
  batchSize: number,
): Pick<StepOutcome, 'accuracy' | 'metrics'> {
  const means = measuresOf(layout).map(
    (name, index) => [name, sum[layout.weightCount + 1 + index]! / batchSize] as const,
  )
  const { accuracy, ...metrics } = Object.fromEntries(means)
  return {
    ...(accuracy !== undefined && { accuracy }),
    ...(Object.keys(metrics).length > 0 && { metrics }),
  }
}
