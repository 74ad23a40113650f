import { createEngine } from '../../engine/create-engine.js'
import type { Engine } from '../../engine/engine.js'
import { engineOptions } from '../../engine/engine.js'
import type { TrainedModel } from '../../saved-model/trained-model.js'

/** An engine in this process with a trained model's weights. The caller closes it. */
export async function loadEngine({ description, weights }: TrainedModel): Promise<Engine> {
  const engine = await createEngine(engineOptions(description))
  engine.setWeights(weights)
  return engine
}
