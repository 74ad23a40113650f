import type { ParameterLayout } from '../model/parameter-layout.js'
import type { RunConfig } from '../model/run-config.js'
import { learningRate } from './learning-rate.js'
import type { Lanes } from './lanes/lanes.js'
import type { Optimizer } from './optimizer.js'
import { trainableTensors } from './optimizer.js'

export interface StepOutcome {
  /** Mean over the batch. */
  readonly loss: number
  readonly accuracy: number
  readonly learningRate: number
  /** L2 norm of the averaged gradient, with L2 and before clipping. */
  readonly gradientNorm: number
}

/**
 * Everything that happens to a reduced gradient: mean over the batch, L2, clipping, optimizer, moving statistics.
 *
 * @param weights float32, `[layout.weightCount]`; updated in place, left as it is when the gradient is not finite
 * @param sum float32, `[gradientLength(layout)]`: the sum over all shards; overwritten
 * @param step counted from 0
 * @returns undefined when loss or gradient are not finite: nothing was applied
 */
export function applyGradient(
  weights: Float32Array,
  sum: Float32Array,
  optimizer: Optimizer,
  layout: ParameterLayout,
  config: RunConfig,
  step: number,
  totalSteps: number,
  lanes: Lanes,
): StepOutcome | undefined {
  const { batchSize, shardSize, clipNorm } = config
  const { trainableCount, weightCount, statisticsMomentum } = layout

  const tensors = trainableTensors(layout)
  const squares = lanes.run({ kind: 'average', sum, weights, batchSize, tensors }, trainableCount)
  const gradientNorm = Math.sqrt(squares.reduce((total, slice) => total + slice, 0))
  const loss = sum[weightCount]! / batchSize
  if (!Number.isFinite(gradientNorm) || !Number.isFinite(loss)) return undefined

  const scale = clipNorm !== null && gradientNorm > clipNorm ? clipNorm / gradientNorm : 1
  const rate = learningRate(config.schedule, step, totalSteps)
  lanes.run({ kind: 'update', step: optimizer.step(rate), weights, gradient: sum, scale }, trainableCount)

  const shards = batchSize / shardSize
  for (let index = trainableCount; index < weightCount; index++) {
    weights[index] = statisticsMomentum * weights[index]! + ((1 - statisticsMomentum) * sum[index]!) / shards
  }
  return { loss, accuracy: sum[weightCount + 1]! / batchSize, learningRate: rate, gradientNorm }
}
