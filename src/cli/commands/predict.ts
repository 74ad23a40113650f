import { Command, Option } from 'commander'
import { describeLeftOut } from '../../data/formats/left-out.js'
import type { DeviceChoice } from '../../tensorflow/runtime/device-choice.js'
import type { WeightsName } from '../../exports/trained-model.js'
import { Table } from '../../shared/table.js'
import { registerCustomCode } from '../../model/own/custom-code.js'
import { standardError, standardOutput } from '../../shared/terminal.js'
import { formatShare } from '../../shared/units.js'
import { loadEngine } from '../../tensorflow/inference/load-engine.js'
import { predictArrays } from '../../tensorflow/inference/predict-arrays.js'
import type { Predictions } from '../../tensorflow/inference/predict-images.js'
import { findImages, predictImages } from '../../tensorflow/inference/predict-images.js'
import type { OutputPrediction } from '../../tensorflow/inference/predict-samples.js'
import type { RowPrediction } from '../../tensorflow/inference/predict-table.js'
import { isTable, predictTable } from '../../tensorflow/inference/predict-table.js'
import { customOption } from '../flags/custom-option.js'
import { deviceOption } from '../flags/device-option.js'
import { integer } from '../flags/flag-values.js'
import { describeWeights, loadChosenModel, weightsOption } from '../flags/weights-option.js'

interface PredictFlags {
  top: number
  weights?: WeightsName
  device: DeviceChoice
  custom?: string
  arrays?: true
  json?: true
}

type Chosen = Awaited<ReturnType<typeof loadChosenModel>>

const report = (line: string): void => {
  standardError.printLine(line)
}

export function predictCommand(): Command {
  return new Command('predict')
    .argument('<run>', 'run directory, or the directory of a saved model')
    .argument('<inputs...>', 'image files, or directories to search for them; or a table (.csv, .tsv)')
    .option('--top <number>', 'number of classes to show for each input', integer(1, 4096), 3)
    .addOption(weightsOption())
    .addOption(deviceOption())
    .addOption(customOption())
    .addOption(new Option('--arrays').hideHelp())
    .option('--json', 'for machines')
    .action(async (run: string, inputs: string[], flags: PredictFlags) => {
      if (flags.custom !== undefined) await registerCustomCode(flags.custom)
      const chosen = await loadChosenModel(run, flags.weights)
      if (flags.arrays) await showArrays(chosen, inputs[0]!, flags)
      else if (inputs.length === 1 && isTable(inputs[0]!)) await showTable(chosen, run, inputs[0]!, flags)
      else await showImages(chosen, run, inputs, flags)
    })
}

async function showImages(
  { trained, used }: Chosen,
  run: string,
  images: string[],
  flags: PredictFlags,
): Promise<void> {
  const { files, unreadable, leftOut } = await findImages(images, report)
  const engine = await loadEngine(trained, flags.device)
  const predicted = await predictImages(engine, trained.description, files, flags.top)
  engine.close()
  const result = { ...predicted, unreadable: [...unreadable, ...predicted.unreadable], leftOut, ...used }
  if (flags.json) standardOutput.print(`${JSON.stringify(result)}\n`)
  else standardOutput.print(`${imageTable(result)}\n${describeWeights(used, run)}\n`)
  for (const line of describeLeftOut(leftOut)) report(line)
  for (const { reason } of result.unreadable) report(`✖ ${reason}`)
  if (result.unreadable.length > 0) process.exitCode = 1
}

function imageTable({ predictions }: Predictions): string {
  const table = new Table({ head: ['image', 'prediction', ''], compact: true })
  for (const { file, classes } of predictions) {
    classes.forEach(({ name, probability }, rank) =>
      table.push([rank === 0 ? file : '', name, formatShare(probability)]),
    )
  }
  return table.toString()
}

async function showTable({ trained, used }: Chosen, run: string, file: string, flags: PredictFlags): Promise<void> {
  const engine = await loadEngine(trained, flags.device)
  const predictions = predictTable(engine, trained.description, file, flags.top)
  engine.close()
  if (flags.json) standardOutput.print(`${JSON.stringify({ predictions, ...used })}\n`)
  else standardOutput.print(`${rowTable(predictions)}\n${describeWeights(used, run)}\n`)
}

function rowTable(predictions: readonly RowPrediction[]): string {
  const table = new Table({ head: ['row', ...Object.keys(predictions[0]!.outputs)], compact: true })
  for (const { row, outputs } of predictions) table.push([row, ...Object.values(outputs).map(inWords)])
  return table.toString()
}

function inWords(prediction: OutputPrediction): string {
  const list = typeof prediction === 'number' ? [prediction] : prediction
  return list
    .map((part) => (typeof part === 'number' ? part.toPrecision(6) : `${part.name} ${formatShare(part.probability)}`))
    .join(', ')
}

/** For the library. @param directory has the arrays in a file, and gets another one */
async function showArrays({ trained, used }: Chosen, directory: string, { device }: PredictFlags): Promise<void> {
  const engine = await loadEngine(trained, device)
  predictArrays(engine, trained.description, directory)
  engine.close()
  standardOutput.print(`${JSON.stringify(used)}\n`)
}
