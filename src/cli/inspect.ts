import { Command, Option } from 'commander'
import writeFileAtomic from 'write-file-atomic'
import type { Inspection } from '../dashboard/inspection.js'
import type { SplitName } from '../data/dataset.js'
import { SPLIT_NAMES } from '../data/dataset.js'
import type { DeviceChoice } from '../engine/runtime/device-choice.js'
import type { WeightsName } from '../saved-model/trained-model.js'
import { loadTrainedModel, WEIGHTS_NAMES } from '../saved-model/trained-model.js'
import { ConvoyError } from '../shared/errors.js'
import { standardOutput } from '../shared/terminal.js'
import { inspectModel } from '../worker/offline/inspect-model.js'
import { loadEngine } from '../worker/offline/load-engine.js'
import { datasetOfRun } from './dataset-of-run.js'
import { deviceOption } from './device-option.js'

export interface InspectFlags {
  readonly split: SplitName
  readonly weights: WeightsName
  readonly data?: string
  readonly device: DeviceChoice
}

export function inspectCommand(): Command {
  return new Command('inspect')
    .argument('<run>', 'run directory, or the directory of a saved model')
    .addOption(new Option('--split <name>', 'which samples').choices(SPLIT_NAMES).default('test'))
    .addOption(new Option('--weights <which>', 'which weights of the run').choices(WEIGHTS_NAMES).default('best'))
    .option('--data <name or path>', 'another data set of the same shape and classes (default: the one of the run)')
    .addOption(deviceOption())
    .option('--out <file>', 'where to (default: standard output)')
    .action(async (run: string, { out, ...flags }: InspectFlags & { out?: string }) => {
      const text = `${JSON.stringify(await inspectRun(run, flags))}\n`
      if (out === undefined) standardOutput.print(text)
      else await writeInspection(out, text)
    })
}

/** @throws errors of the model, the data set and the runtime */
export async function inspectRun(run: string, { split, weights, data, device }: InspectFlags): Promise<Inspection> {
  const { description, ...rest } = await loadTrainedModel(run, weights)
  const dataset = await datasetOfRun(description, data)
  // It runs on any CPU, and nobody sees the difference in a picture.
  const trained = {
    ...rest,
    description: { ...description, config: { ...description.config, precision: 'float32' as const } },
  }
  const engine = await loadEngine(trained, device)
  try {
    return inspectModel(engine, trained, dataset, split)
  } finally {
    engine.close()
  }
}

async function writeInspection(file: string, text: string): Promise<void> {
  try {
    await writeFileAtomic(file, text)
  } catch (error) {
    throw new ConvoyError('usage', `${file} cannot be written: ${(error as Error).message}`, { cause: error })
  }
}
