import { openDatasetByFingerprint } from '../data/open-dataset.js'
import type { PhaseTimes } from '../metrics/phases.js'
import { readFrozenWeights } from '../model/frozen-weights.js'
import { loadCustomCode } from '../model/own/custom-code.js'
import type { RunDescription } from '../model/run-description.js'
import { ConvoyError } from '../shared/errors.js'
import { createEngine } from '../tensorflow/engine/create-engine.js'
import type { Engine } from '../tensorflow/engine/engine.js'
import { engineOptions } from '../tensorflow/engine/engine.js'
import { loadTensorflow } from '../tensorflow/runtime/load-tensorflow.js'
import { ShardComputer } from './shard-computer.js'

/**
 * Opens the data set of a run and builds its engine, on this thread.
 * @param times what each phase takes is recorded there
 * @throws ConvoyError('data') when the data set is not in this machine's cache
 */
export async function openShardComputer(
  description: RunDescription,
  times: PhaseTimes,
): Promise<{ readonly engine: Engine; readonly computer: ShardComputer }> {
  const { config, model, dataset: header } = description
  const dataset = await openDatasetByFingerprint(header.fingerprint)
  if (dataset === undefined)
    throw new ConvoyError('data', `The data set ${header.name} is not in the cache of this machine.`)
  const frozen = await readFrozenWeights(model.frozen)
  const custom = await loadCustomCode(config.custom, loadTensorflow().tf)
  const engine = await createEngine(engineOptions(description), { frozen, custom })
  return { engine, computer: new ShardComputer(description, dataset, engine, times) }
}
