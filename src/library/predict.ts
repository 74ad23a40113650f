import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { LeftOut } from '../data/formats/left-out.js'
import { ConvoyError } from '../shared/errors.js'
import { formatBytes } from '../shared/units.js'
import type { UsedWeights } from '../tensorflow/inference/measurement.js'
import type { GivenArray } from '../tensorflow/inference/predict-arrays.js'
import { MAX_ARRAY_BYTES, readOutputs, writeInputs } from '../tensorflow/inference/predict-arrays.js'
import type { Prediction, Predictions } from '../tensorflow/inference/predict-images.js'
import type { PredictedOutput } from '../tensorflow/inference/predict-samples.js'
import type { RowPrediction } from '../tensorflow/inference/predict-table.js'
import type { ArrayInput } from './array-input.js'
import { readArray } from './array-input.js'
import { ConvoyProcess } from './convoy-process.js'
import type { Pixels } from './pixels.js'
import { savePixels } from './pixels.js'
import type { RunPlace, WeightsOptions } from './run-place.js'
import { flagsOf, rejectUnknown } from './options.js'
import { directoryOfRun, WEIGHTS_OPTIONS, weightsFlags } from './run-place.js'
import type { Values } from './values.js'
import { isTensor } from './values.js'

/** Of {@link predict}. */
export interface PredictOptions extends WeightsOptions {
  /** Of images and tables: number of classes to return for each, 1 to 4096. @default 3 */
  readonly top?: number
}

/** Paths of image files, of directories to search for them, and pixels. */
export type ImageInputs = readonly (string | Pixels)[]
/** Path of a table (`.csv`, `.tsv`) with the columns of the training, by their names. */
export interface TableInput {
  readonly table: string
}
/** The inputs of the model: its only one, a list in their order, or by their names. */
export type ArrayInputs = ArrayInput | readonly ArrayInput[] | Readonly<Record<string, ArrayInput>>

/** Classes of images. Pixels are called `pixels 0`, by their place among the inputs. */
export interface PredictedImages extends Predictions, UsedWeights {
  /** Other entries of the directories, counted by reason. */
  readonly leftOut: readonly LeftOut[]
}

/** What a model says of the rows of a table, in their order. */
export interface PredictedTable extends UsedWeights {
  readonly predictions: readonly RowPrediction[]
}

/** The outputs of a model that takes arrays. */
export interface PredictedArrays extends UsedWeights {
  /** In the order of the model. */
  readonly outputs: readonly PredictedOutput[]
}

/**
 * What a trained model says of images, of a table, or of arrays, in a process of its own.
 *
 * @param run its directory, that of a saved model, or a run of `train` or `loadRun`
 * @param inputs images for a model of images; a table for one that learnt from a table; arrays or tensors `[samples, …]` for any other
 * @throws ConvoyError('usage') for inputs that the model does not take, ConvoyError('data') for a file that cannot be used
 */
export async function predict(run: RunPlace, inputs: ImageInputs, options?: PredictOptions): Promise<PredictedImages>
export async function predict(run: RunPlace, inputs: TableInput, options?: PredictOptions): Promise<PredictedTable>
export async function predict(run: RunPlace, inputs: ArrayInputs, options?: PredictOptions): Promise<PredictedArrays>
export async function predict(
  run: RunPlace,
  inputs: ImageInputs | TableInput | ArrayInputs,
  options: PredictOptions = {},
): Promise<PredictedImages | PredictedTable | PredictedArrays> {
  rejectUnknown('predict', options, ['top', ...WEIGHTS_OPTIONS])
  const directory = await directoryOfRun(run)
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-predict-'))
  const convoy = async <Printed>(words: readonly string[]): Promise<Printed> => {
    const flags = [...weightsFlags(options), ...flagsOf({ top: options.top })]
    const args = ['predict', directory, ...flags, '--json', ...words]
    return JSON.parse(await new ConvoyProcess(args, false).done) as Printed
  }
  try {
    if (areImages(inputs)) {
      const { names, files } = await savePixels(inputs, scratch)
      return inTermsOfInputs(await convoy<PredictedImages>(['--', ...files]), names)
    }
    if (isTableInput(inputs)) return await convoy<PredictedTable>(['--', inputs.table])
    writeInputs(scratch, listArrays(inputs))
    const used = await convoy<UsedWeights>(['--arrays', '--', scratch])
    return { outputs: readOutputs(scratch), ...used }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

type AnyInputs = ImageInputs | TableInput | ArrayInputs

function areImages(inputs: AnyInputs): inputs is ImageInputs {
  return Array.isArray(inputs) && (inputs as unknown[]).every((one) => typeof one === 'string' || isPixels(one))
}

function isPixels(one: unknown): boolean {
  return typeof one === 'object' && one !== null && 'data' in one && 'width' in one
}

function isTableInput(inputs: AnyInputs): inputs is TableInput {
  return typeof (inputs as Partial<TableInput>).table === 'string'
}

/** @param names of pixels, by their files */
function inTermsOfInputs(printed: PredictedImages, names: ReadonlyMap<string, string>): PredictedImages {
  const named = ({ file, ...rest }: Prediction): Prediction => ({ file: names.get(file) ?? file, ...rest })
  return { ...printed, predictions: printed.predictions.map(named) }
}

function listArrays(inputs: ArrayInputs): GivenArray[] {
  const given: readonly (readonly [name: string | undefined, input: ArrayInput])[] = isOne(inputs)
    ? [[undefined, inputs]]
    : Array.isArray(inputs)
      ? (inputs as readonly ArrayInput[]).map((input) => [undefined, input] as const)
      : Object.entries(inputs as Readonly<Record<string, ArrayInput>>)
  const arrays = given.map(([name, input], index) => ({
    ...(name !== undefined && { name }),
    ...readArray(`predict: the input ${name ?? index}`, input),
  }))
  const bytes = arrays.reduce((sum, { values }) => sum + values.byteLength, 0)
  if (arrays.length > 0 && bytes <= MAX_ARRAY_BYTES) return arrays
  throw new ConvoyError(
    'usage',
    arrays.length === 0
      ? 'predict: there are no inputs; give images, a table or arrays.'
      : `predict: the arrays have ${formatBytes(bytes)}, more than the ${formatBytes(MAX_ARRAY_BYTES)} of one call; predict in parts.`,
  )
}

function isOne(inputs: ArrayInputs): inputs is ArrayInput {
  return isTensor(inputs as Values) || ('values' in inputs && 'shape' in inputs)
}
