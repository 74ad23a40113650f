import { Command } from 'commander'
import writeFileAtomic from 'write-file-atomic'
import type { Inspection } from '../../reporting/page/inspection.js'
import { isImages } from '../../data/dataset.js'
import type { SplitChoice } from '../../data/sampling/choose-samples.js'
import type { DeviceChoice } from '../../tensorflow/runtime/device-choice.js'
import type { WeightsName } from '../../exports/trained-model.js'
import { ConvoyError } from '../../shared/errors.js'
import { registerCustomCode } from '../../model/own/custom-code.js'
import { standardOutput } from '../../shared/terminal.js'
import { inspectModel } from '../../tensorflow/inference/inspect-model.js'
import { loadEngine } from '../../tensorflow/inference/load-engine.js'
import { samplesForModel } from '../dataset-of-run.js'
import { customOption } from '../flags/custom-option.js'
import { deviceOption } from '../flags/device-option.js'
import { dataOption, splitOption } from '../flags/measured-data-options.js'
import { loadChosenModel, weightsOption } from '../flags/weights-option.js'

export interface InspectFlags {
  readonly split?: SplitChoice
  readonly weights?: WeightsName
  readonly data?: string
  readonly device: DeviceChoice
}

export function inspectCommand(): Command {
  return new Command('inspect')
    .argument('<run>', 'run directory, or the directory of a saved model')
    .addOption(splitOption())
    .addOption(weightsOption())
    .addOption(dataOption())
    .addOption(deviceOption())
    .addOption(customOption())
    .option('--out <file>', 'output file (default: standard output)')
    .action(async (run: string, { out, custom, ...flags }: InspectFlags & { out?: string; custom?: string }) => {
      if (custom !== undefined) await registerCustomCode(custom)
      const text = `${JSON.stringify(await inspectRun(run, flags))}\n`
      if (out === undefined) standardOutput.print(text)
      else await writeInspection(out, text)
    })
}

/** @throws errors of the model, the data set and the runtime */
export async function inspectRun(run: string, { split, weights, data, device }: InspectFlags): Promise<Inspection> {
  const {
    trained: { description, ...rest },
    used,
  } = await loadChosenModel(run, weights)
  const measured = await samplesForModel(description, { data, split })
  const { dataset } = measured
  if (!isImages(dataset)) throw new ConvoyError('usage', `${run}: only models of images can be inspected.`)
  const { name, fingerprint, classNames } = dataset
  // float32 runs on any CPU, and the difference to bfloat16 is invisible in a picture.
  const trained = {
    ...rest,
    description: { ...description, config: { ...description.config, precision: 'float32' as const } },
  }
  const engine = await loadEngine(trained, device)
  try {
    const { weightsSha256 } = used
    return {
      ...inspectModel(engine, trained, { ...measured, dataset }),
      weightsSha256,
      dataset: { name, fingerprint },
      classNames,
    }
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
