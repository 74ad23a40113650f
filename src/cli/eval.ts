import { Command, Option } from 'commander'
import { classTable } from '../coordinator/reporting/final-table.js'
import { SPLIT_NAMES } from '../data/dataset.js'
import type { SplitName } from '../data/dataset.js'
import type { DeviceChoice } from '../engine/runtime/device-choice.js'
import { loadTrainedModel, WEIGHTS_NAMES } from '../saved-model/trained-model.js'
import type { WeightsName } from '../saved-model/trained-model.js'
import { counted, formatShare } from '../shared/units.js'
import { evaluateModel } from '../worker/offline/evaluate-model.js'
import { loadEngine } from '../worker/offline/load-engine.js'
import { datasetOfRun } from './dataset-of-run.js'
import { deviceOption } from './device-option.js'

interface EvalFlags {
  split: SplitName
  weights: WeightsName
  data?: string
  device: DeviceChoice
  json?: true
}

export function evalCommand(): Command {
  return new Command('eval')
    .argument('<run>', 'run directory, or the directory of a saved model')
    .addOption(new Option('--split <name>', 'which samples').choices(SPLIT_NAMES).default('test'))
    .addOption(new Option('--weights <which>', 'which weights of the run').choices(WEIGHTS_NAMES).default('best'))
    .option('--data <name or path>', 'another data set of the same shape and classes (default: the one of the run)')
    .addOption(deviceOption())
    .option('--json', 'for machines')
    .action(async (run: string, { split, weights, data, device, json }: EvalFlags) => {
      const trained = await loadTrainedModel(run, weights)
      const dataset = await datasetOfRun(trained.description, data)
      const engine = await loadEngine(trained, device)
      const evaluation = evaluateModel(engine, trained.description.config, dataset, split, () => undefined)
      engine.close()
      if (json) {
        process.stdout.write(`${JSON.stringify({ ...evaluation, step: trained.step, weights })}\n`)
        return
      }
      const { accuracy, loss, samples } = evaluation
      process.stdout.write(`${classTable(evaluation, dataset.classNames)}\n`)
      process.stdout.write(
        `${split}: accuracy ${formatShare(accuracy)}, loss ${loss.toFixed(4)} on ${counted(samples, 'sample')} (${weights} weights, step ${trained.step})\n`,
      )
    })
}
