import { createEngine } from '../engine/create-engine.js'
import type { Engine } from '../engine/engine.js'
import { engineOptions } from '../engine/engine.js'
import type { DeviceChoice } from '../runtime/device-choice.js'
import { loadCustomCode } from '../../model/own/custom-code.js'
import { loadTensorflow } from '../runtime/load-tensorflow.js'
import type { TrainedModel } from '../../exports/trained-model.js'

/** An engine in this process with a trained model's weights. The caller closes it. */
export async function loadEngine(
  { description, weights, frozen }: TrainedModel,
  device: DeviceChoice,
): Promise<Engine> {
  const { tf } = loadTensorflow(device)
  const custom = await loadCustomCode(description.config.custom, tf)
  const engine = await createEngine(engineOptions(description), { frozen, custom })
  engine.setWeights(weights)
  return engine
}
