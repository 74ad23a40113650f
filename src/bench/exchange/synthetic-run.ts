import { ensureEmbeddedDataset } from '../../data/embedded.js'
import { readInfo } from '../../data/cache/packed-cache.js'
import type { PlannedRun } from '../../coordinator/plan-run.js'
import type { Wire } from '../../model/config/run-config.js'
import { runConfigSchema } from '../../model/config/run-config.js'
import type { ModelDescription } from '../../model/parameter-layout.js'

export const OPTIMIZERS = ['sgd', 'adamw'] as const
export type ExchangeOptimizer = (typeof OPTIMIZERS)[number]

/** So many that no benchmark reaches the end of an epoch. */
const TRAIN_SAMPLES = 2 ** 24

/**
 * A run of a model that is one trainable tensor, for workers that compute nothing. Nobody reads its samples; its data set is the embedded one,
 * so that workers have nothing to fetch. Nothing is validated or tested.
 * @param weights of the tensor
 * @param shards of a step
 */
export async function syntheticRun(
  weights: number,
  shards: number,
  optimizer: ExchangeOptimizer,
  wire: Wire,
  log: (text: string) => void,
): Promise<PlannedRun> {
  const config = runConfigSchema.parse({
    ...{ network: { name: 'resnet8' }, augmentation: { enabled: false }, batchSize: shards, shardSize: 1 },
    ...{ optimizer: { kind: optimizer }, schedule: { kind: 'step', initial: 0.01, milestones: [] }, epochs: 100, wire },
  })
  const dataset = readInfo(await ensureEmbeddedDataset(log))!
  const none = new Uint32Array(0)
  return {
    description: { config, model: modelOf(weights), dataset },
    split: { train: new Uint32Array(TRAIN_SAMPLES), validation: none, test: none },
    ...{ datasetFrom: 'part of Convoy', warnings: [], workerBytes: 0, initialWeights: undefined, callbacks: undefined },
  }
}

function modelOf(weights: number): ModelDescription {
  const tensor = { name: 'dense/kernel', shape: [weights], offset: 0, size: weights, trainable: true, l2: 0 }
  return {
    ...{ topology: {}, inputShape: [32, 32, 3], classCount: 10 },
    layout: {
      tensors: [{ ...tensor, initializer: { kind: 'constant', value: 0.5 } }],
      ...{ trainableCount: weights, weightCount: weights, statisticsMomentum: 0.9, measures: [] },
    },
  }
}
