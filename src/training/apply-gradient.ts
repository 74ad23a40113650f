import type { ModelDescription, ParameterLayout } from '../model/parameter-layout.js'
import type { RunConfig } from '../model/config/run-config.js'
import { learningRate } from './schedules/schedules.js'
import type { SliceThreads } from './slices/slice-threads.js'
import type { TrainingState } from './training-state.js'
import { trainableTensors } from './optimizers/optimizer.js'

export interface StepOutcome {
  /** Mean over the batch. */
  readonly loss: number
  /** Accuracy; without classes the mean absolute error. */
  readonly quality: number
  readonly learningRate: number
  /** L2 norm of the averaged gradient, with L2 and before clipping. */
  readonly gradientNorm: number
}

/** What a step event says of it. */
export function measuresOfStep(
  { quality, ...others }: StepOutcome,
  { classCount }: Pick<ModelDescription, 'classCount'>,
): Omit<StepOutcome, 'quality'> & { readonly accuracy?: number; readonly mae?: number } {
  return { ...others, ...(classCount > 0 ? { accuracy: quality } : { mae: quality }) }
}

/**
 * Everything that happens to a reduced gradient: mean over the batch, L2, clipping, optimizer, moving statistics.
 *
 * @param state weights and optimizer are updated in place, and left as they are when the gradient is not finite; the caller counts the step
 * @param sum float32, `[gradientLength(layout)]`: the sum over all shards; overwritten
 * @param totalSteps that the learning rates are planned for
 * @returns undefined when loss or gradient are not finite: nothing was applied
 */
export function applyGradient(
  { weights, optimizer, step }: Pick<TrainingState, 'weights' | 'optimizer' | 'step'>,
  sum: Float32Array,
  layout: ParameterLayout,
  config: RunConfig,
  totalSteps: number,
  sliceThreads: SliceThreads,
): StepOutcome | undefined {
  const { batchSize, shardSize, clipNorm } = config
  const { trainableCount, weightCount, statisticsMomentum } = layout

  const tensors = trainableTensors(layout)
  const squares = sliceThreads.run({ kind: 'average', sum, weights, batchSize, tensors }, trainableCount)
  const gradientNorm = Math.sqrt(squares.reduce((total, slice) => total + slice, 0))
  const loss = sum[weightCount]! / batchSize
  if (!Number.isFinite(gradientNorm) || !Number.isFinite(loss)) return undefined

  const scale = clipNorm !== null && gradientNorm > clipNorm ? clipNorm / gradientNorm : 1
  const rate = learningRate(config.schedule, step, totalSteps)
  sliceThreads.run({ kind: 'update', step: optimizer.step(rate), weights, gradient: sum, scale }, trainableCount)

  const shards = batchSize / shardSize
  for (let index = trainableCount; index < weightCount; index++) {
    weights[index] = statisticsMomentum * weights[index]! + ((1 - statisticsMomentum) * sum[index]!) / shards
  }
  return { loss, quality: sum[weightCount + 1]! / batchSize, learningRate: rate, gradientNorm }
}
