import type { PhaseReport } from '../metrics/phases.js'
import { gradientLength } from '../model/parameter-layout.js'
import { ConvoyError } from '../shared/errors.js'
import type { Logger } from '../shared/log/log.js'
import type { GradientSource } from '../training/gradient-source.js'
import type { OwnCompute } from '../training/own-compute.js'
import { OwnGradientSource } from '../training/own-gradient-source.js'
import { plannedSteps } from '../training/trainer.js'
import { AdaptiveGradientSource } from './adaptive-gradient-source.js'
import type { PlannedRun } from './plan-run.js'
import { PoolGradientSource } from './pool-gradient-source.js'
import type { WeightsStore } from './weights-store.js'
import type { WorkerPool } from './worker-pool.js'

/** What sums the gradients of a run. */
export interface Gradients {
  readonly source: GradientSource
  /** Whether this process computes. */
  computesHere(): boolean
  /** Of the shards that this process computed. */
  phases(): PhaseReport[]
}

/**
 * @param compute computes in this process at first; undefined: only workers compute
 * @throws ConvoyError('incompatible') when this process would compute other bits than the workers of the run so far
 */
export async function openGradients(
  { description, split }: PlannedRun,
  compute: OwnCompute | undefined,
  { pool, weights, log }: { readonly pool: WorkerPool; readonly weights: WeightsStore; readonly log: Logger },
): Promise<Gradients> {
  const ofPool = new PoolGradientSource(pool, weights, description, split)
  if (compute === undefined) return { source: ofPool, computesHere: () => false, phases: () => [] }
  const shards = await compute.open(description)
  if (!pool.computesHere(shards.device))
    throw new ConvoyError(
      'incompatible',
      `This machine computes on ${shards.device.name} (TensorFlow ${shards.device.tensorflowVersion}), whose bits may differ from those of the run so far; resume it on a machine like the one before.`,
    )
  // Its workers may never come.
  pool.hold(true)
  log.info(`Computing on ${shards.device.name} (${shards.device.kind}, TensorFlow ${shards.device.tensorflowVersion}).`)
  let isHere = true
  const { epochs, batchSize, shardSize, maxSteps } = description.config
  const source = new AdaptiveGradientSource({
    ...{ shards, pool: ofPool, compute, vectorBytes: 4 * gradientLength(description.model.layout) },
    own: new OwnGradientSource({ description, split, shards, now: () => performance.now() }),
    shardsPerBatch: batchSize / shardSize,
    totalSteps: Math.min(plannedSteps(epochs, split.train.length, batchSize), maxSteps ?? Infinity),
    workerCount: () => pool.workerCount,
    onWorkers: () => {
      isHere = false
      pool.hold(false)
    },
    report: log.info,
  })
  return { source, computesHere: () => isHere, phases: () => shards.phases() }
}
