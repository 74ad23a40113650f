import { createEngine } from '../../engine/create-engine.js'
import type { Engine } from '../../engine/engine.js'
import type { TrainedModel } from '../../saved-model/trained-model.js'

/** An engine in this process with a trained model's weights. The caller closes it. */
export async function loadEngine({ description, weights }: TrainedModel): Promise<Engine> {
  const { config, model } = description
  const engine = await createEngine({
    model,
    shardSize: config.shardSize,
    evaluationShardSize: config.evaluationShardSize,
    labelSmoothing: config.labelSmoothing,
    fillMode: config.augmentation.fillMode,
    augment: config.augmentation.enabled,
  })
  engine.setWeights(weights)
  return engine
}
