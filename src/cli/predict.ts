import Table from 'cli-table3'
import { Command } from 'commander'
import type { DeviceChoice } from '../engine/runtime/device-choice.js'
import type { WeightsName } from '../saved-model/trained-model.js'
import { formatShare } from '../shared/units.js'
import { loadEngine } from '../worker/offline/load-engine.js'
import { findImages, predictImages } from '../worker/offline/predict-images.js'
import { deviceOption } from './device-option.js'
import { integer } from './flag-values.js'
import { describeWeights, loadChosenModel, weightsOption } from './weights-option.js'

interface PredictFlags {
  top: number
  weights?: WeightsName
  device: DeviceChoice
  json?: true
}

export function predictCommand(): Command {
  return new Command('predict')
    .argument('<run>', 'run directory, or the directory of a saved model')
    .argument('<images...>', 'image files, or directories to search for them')
    .option('--top <number>', 'how many classes to show for each image', integer(1, 1000), 3)
    .addOption(weightsOption())
    .addOption(deviceOption())
    .option('--json', 'for machines')
    .action(async (run: string, images: string[], { top, weights, device, json }: PredictFlags) => {
      const { trained, used } = await loadChosenModel(run, weights)
      const files = await findImages(images)
      const engine = await loadEngine(trained, device)
      const result = await predictImages(engine, trained.description, files, top)
      engine.close()
      if (json) process.stdout.write(`${JSON.stringify({ ...result, ...used })}\n`)
      else {
        const table = new Table({ head: ['image', 'prediction', ''], style: { head: [], border: [], compact: true } })
        for (const { file, classes } of result.predictions) {
          classes.forEach(({ name, probability }, rank) =>
            table.push([rank === 0 ? file : '', name, formatShare(probability)]),
          )
        }
        process.stdout.write(`${table.toString()}\n${describeWeights(used, run)}\n`)
      }
      for (const { reason } of result.unreadable) process.stderr.write(`✖ ${reason}\n`)
      if (result.unreadable.length > 0) process.exitCode = 1
    })
}
