import { Command } from 'commander'
import { classTable } from '../../reporting/final-table.js'
import type { SplitChoice } from '../../data/sampling/choose-samples.js'
import { classesWithout } from '../../data/map-classes.js'
import type { DeviceChoice } from '../../tensorflow/runtime/device-choice.js'
import type { WeightsName } from '../../exports/trained-model.js'
import { registerCustomCode } from '../../model/own/custom-code.js'
import { standardError, standardOutput } from '../../shared/terminal.js'
import { evaluateModel } from '../../tensorflow/inference/evaluate-model.js'
import { loadEngine } from '../../tensorflow/inference/load-engine.js'
import type { Measurement, UsedWeights } from '../../tensorflow/inference/measurement.js'
import { overlapWithRun, samplesForModel } from '../dataset-of-run.js'
import { describeMeasurement } from '../describe-measurement.js'
import { customOption } from '../flags/custom-option.js'
import { deviceOption } from '../flags/device-option.js'
import { dataOption, splitOption } from '../flags/measured-data-options.js'
import { describeWeights, loadChosenModel, weightsOption } from '../flags/weights-option.js'

interface EvalFlags {
  split?: SplitChoice
  weights?: WeightsName
  data?: string
  device: DeviceChoice
  custom?: string
  json?: true
}

export function evalCommand(): Command {
  return new Command('eval')
    .argument('<run>', 'run directory, or the directory of a saved model')
    .addOption(splitOption())
    .addOption(weightsOption())
    .addOption(dataOption())
    .addOption(deviceOption())
    .addOption(customOption())
    .option('--json', 'for machines')
    .action(async (run: string, { split, weights, data, device, custom, json }: EvalFlags) => {
      if (custom !== undefined) await registerCustomCode(custom)
      const { trained, used } = await loadChosenModel(run, weights)
      const { description } = trained
      const measured = await samplesForModel(description, { data, split })
      const { dataset, samples, from, isTrainedOn } = measured
      const { name, fingerprint, classNames } = dataset
      const engine = await loadEngine(trained, device)
      const evaluation = evaluateModel(engine, description.config, description.model, dataset, samples, () => undefined)
      engine.close()
      const result: Measurement & UsedWeights = {
        split: measured.split,
        ...evaluation,
        classNames,
        dataset: { name, fingerprint, from, isTrainedOn },
        classesWithoutSamples: classesWithout(dataset, samples),
        overlap: (await overlapWithRun(description, measured)) ?? null,
        ...used,
      }
      const { headline, notes, warnings } = describeMeasurement(result, description)
      for (const warning of warnings) standardError.printLine(`⚠ ${warning}`)
      if (json) {
        standardOutput.print(`${JSON.stringify(result)}\n`)
        return
      }
      const classes = classNames.length > 0 ? [classTable(result, classNames)] : []
      const lines = [...classes, headline, describeWeights(used, run), ...notes]
      standardOutput.print(`${lines.join('\n')}\n`)
    })
}
