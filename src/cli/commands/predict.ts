import { Command } from 'commander'
import { describeLeftOut } from '../../data/formats/left-out.js'
import type { DeviceChoice } from '../../tensorflow/runtime/device-choice.js'
import type { WeightsName } from '../../exports/trained-model.js'
import { Table } from '../../shared/table.js'
import { standardError, standardOutput } from '../../shared/terminal.js'
import { formatShare } from '../../shared/units.js'
import { loadEngine } from '../../tensorflow/inference/load-engine.js'
import { findImages, predictImages } from '../../tensorflow/inference/predict-images.js'
import { deviceOption } from '../flags/device-option.js'
import { integer } from '../flags/flag-values.js'
import { describeWeights, loadChosenModel, weightsOption } from '../flags/weights-option.js'

interface PredictFlags {
  top: number
  weights?: WeightsName
  device: DeviceChoice
  json?: true
}

const report = (line: string): void => {
  standardError.printLine(line)
}

export function predictCommand(): Command {
  return new Command('predict')
    .argument('<run>', 'run directory, or the directory of a saved model')
    .argument('<images...>', 'image files, or directories to search for them')
    .option('--top <number>', 'number of classes to show for each image', integer(1, 1000), 3)
    .addOption(weightsOption())
    .addOption(deviceOption())
    .option('--json', 'for machines')
    .action(async (run: string, images: string[], { top, weights, device, json }: PredictFlags) => {
      const { trained, used } = await loadChosenModel(run, weights)
      const { files, unreadable, leftOut } = await findImages(images, report)
      const engine = await loadEngine(trained, device)
      const predicted = await predictImages(engine, trained.description, files, top)
      engine.close()
      const result = { ...predicted, unreadable: [...unreadable, ...predicted.unreadable], leftOut, ...used }
      if (json) standardOutput.print(`${JSON.stringify(result)}\n`)
      else {
        const table = new Table({ head: ['image', 'prediction', ''], compact: true })
        for (const { file, classes } of result.predictions) {
          classes.forEach(({ name, probability }, rank) =>
            table.push([rank === 0 ? file : '', name, formatShare(probability)]),
          )
        }
        standardOutput.print(`${table.toString()}\n${describeWeights(used, run)}\n`)
      }
      for (const line of describeLeftOut(leftOut)) report(line)
      for (const { reason } of result.unreadable) report(`✖ ${reason}`)
      if (result.unreadable.length > 0) process.exitCode = 1
    })
}
