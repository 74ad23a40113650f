import type { LayersModel } from '@tensorflow/tfjs'
import { ConvoyError } from '../shared/errors.js'
import { fit } from './fit.js'
import type { FitArgs, FitHistory } from './fit-args.js'
import type { Values } from './values.js'
import { isTensor, joinValues } from './values.js'

/** Of {@link fitDataset}: those of {@link fit}, with validation data that may be a dataset. */
export type FitDatasetArgs = Omit<FitArgs, 'validationSplit' | 'validationData'> & {
  readonly validationData?: BatchDataset | NonNullable<FitArgs['validationData']>
}

/** What is used of a `tf.data.Dataset` of batches, as `model.fitDataset` takes it. */
export interface BatchDataset {
  forEachAsync(use: (batch: never) => void): Promise<void>
}

interface Batch {
  readonly xs: Values | Readonly<Record<string, Values>>
  readonly ys: Values | Readonly<Record<string, Values>>
}

/**
 * `model.fitDataset`: as {@link fit}, with the samples of a `tf.data` dataset of batches `{ xs, ys }`, which is read once.
 * @param args its batch size is that of the dataset's first batch by default
 * @throws as {@link fit}
 */
export async function fitDataset(
  model: LayersModel,
  dataset: BatchDataset,
  args: FitDatasetArgs = {},
): Promise<FitHistory> {
  const { validationData, ...others } = args
  const { x, y, batchSize } = await collect(model, dataset)
  const validation =
    validationData === undefined ? undefined : Array.isArray(validationData) ? validationData : await ofDataset()
  return fit(model, x, y, {
    batchSize,
    ...others,
    ...(validation && { validationData: validation as readonly [Values[], Values[]] }),
  })

  async function ofDataset(): Promise<readonly [Values[], Values[]]> {
    const collected = await collect(model, validationData as BatchDataset)
    return [collected.x, collected.y]
  }
}

/** All batches of a dataset, one after the other. */
async function collect(
  { inputs, outputNames }: LayersModel,
  dataset: BatchDataset,
): Promise<{ readonly x: Values[]; readonly y: Values[]; readonly batchSize: number }> {
  const parts: { x: Values[]; y: Values[] }[] = []
  const listed = (given: Batch['xs'], names: readonly string[], what: string): Values[] =>
    (isTensor(given) ? [given] : names.map((name) => named(given, name, what))).map(valuesOf)
  const inputNames = inputs.map(({ name }) => name)
  await dataset.forEachAsync(({ xs, ys }: Batch) => {
    parts.push({ x: listed(xs, inputNames, 'xs'), y: listed(ys, outputNames, 'ys') })
  })
  const [first] = parts
  if (first === undefined) throw new ConvoyError('usage', 'fitDataset: the dataset has no batches.')
  return {
    x: first.x.map((_, index) => joined(parts.map(({ x }) => x[index]!))),
    y: first.y.map((_, index) => joined(parts.map(({ y }) => y[index]!))),
    batchSize: first.y[0]!.shape[0]!,
  }
}

function named(given: Readonly<Record<string, Values>>, name: string, what: string): Values {
  const found = given[name]
  if (found !== undefined) return found
  throw new ConvoyError('usage', `fitDataset: ${what} has no ${name}; it has ${Object.keys(given).join(', ')}.`)
}

/** A copy: `tf.data` disposes a batch after its turn. */
function valuesOf(tensor: Values): Values {
  const { dtype, shape, size } = tensor
  const values = Float64Array.from(tensor.dataSync())
  return { dtype, shape, size, dataSync: () => values }
}

function joined(parts: readonly Values[]): Values {
  const [{ dtype, shape }] = parts as [Values]
  const values = joinValues(dtype, parts)
  const count = parts.reduce((sum, part) => sum + part.shape[0]!, 0)
  return { dtype, shape: [count, ...shape.slice(1)], size: values.length, dataSync: () => values }
}
