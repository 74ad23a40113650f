import type { LayersModel } from '@tensorflow/tfjs'
import type { Column, ColumnValues } from '../data/dataset.js'
import type { DecodedArrays } from '../data/formats/dataset-format.js'
import { ConvoyError } from '../shared/errors.js'
import { counted } from '../shared/units.js'
import type { FitArgs } from './fit-args.js'
import { FIT_DATASET } from './fit-datasets.js'
import { packTargets } from './pack-targets.js'
import { packWeights } from './pack-weights.js'
import type { CompiledModel } from './read-compiled.js'
import type { Targets, Values } from './values.js'
import { isTensor, joinValues } from './values.js'

export interface PackedTensors {
  readonly dataset: DecodedArrays
  /** The last so many samples. */
  readonly validationSamples: number
}

/** Samples as they are given, in the order of the model's inputs and outputs. */
interface Part {
  readonly x: readonly Values[]
  readonly y: readonly Values[]
}

/**
 * The samples of `model.fit` as a data set: those to validate on are the last ones.
 * @param x float32 or int32 of each input, `[samples, …]`
 * @throws ConvoyError('usage') for tensors that do not fit the model or one another
 */
export function packTensors(
  model: LayersModel,
  x: Values | readonly Values[],
  y: Targets,
  { outputs }: CompiledModel,
  args: Pick<FitArgs, 'validationSplit' | 'validationData' | 'classWeight' | 'sampleWeight'>,
): PackedTensors {
  const { validationSplit, validationData } = args
  if (validationSplit !== undefined && validationData !== undefined)
    throw new ConvoyError('usage', 'fit: validationSplit and validationData exclude each other; give one.')
  const parts: Part[] = [
    { x: [x].flat(), y: listTargets(model, y) },
    ...(validationData ? [{ x: [validationData[0]].flat(), y: listTargets(model, validationData[1]) }] : []),
  ]
  const counts = parts.map((part) => countOf(model, part))
  const [trained] = counts as [number]
  if (validationSplit !== undefined && !(validationSplit > 0 && validationSplit < 1))
    throw new ConvoyError('usage', `fit: validationSplit is ${validationSplit}; give a number between 0 and 1.`)
  const ofSplit = validationSplit === undefined ? 0 : trained - Math.floor(trained * (1 - validationSplit))
  const count = counts.reduce((sum, part) => sum + part, 0)
  const inputs = model.inputs.map(({ name }, index) => columnOf(name, parts[0]!.x[index]!))
  const inputValues = inputs.map((column, index) =>
    joined(
      column,
      parts.map((part) => part.x[index]!),
    ),
  )
  const learnt = packTargets(
    outputs.map(({ name, targets }, index) => ({
      ...{ name, targets, size: sizeOfOutput(model, index) },
      tensors: parts.map((part) => part.y[index]!),
    })),
  )
  const weights = packWeights(args, learnt, trained, count)
  return {
    dataset: { name: FIT_DATASET, count, inputs, inputValues, ...learnt, ...weights },
    validationSamples: count - trained + ofSplit,
  }
}

function sizeOfOutput({ outputs }: LayersModel, index: number): number {
  return outputs[index]!.shape.slice(1).reduce((product: number, size) => product * (size ?? 0), 1)
}

/** @returns in the order of the model's outputs */
function listTargets({ outputNames }: LayersModel, y: Targets): readonly Values[] {
  const given = isTensor(y) ? [y] : Array.isArray(y) ? (y as readonly Values[]) : undefined
  if (given !== undefined) {
    if (given.length === outputNames.length) return given
    throw new ConvoyError(
      'usage',
      `fit: ${counted(given.length, 'tensor')} of targets for a model with ${counted(outputNames.length, 'output')}.`,
    )
  }
  return outputNames.map((name) => {
    const found = (y as Readonly<Record<string, Values>>)[name]
    if (found !== undefined) return found
    throw new ConvoyError('usage', `fit: y has no ${name}; it has ${Object.keys(y).join(', ')}.`)
  })
}

function countOf({ inputs }: LayersModel, { x, y }: Part): number {
  if (x.length !== inputs.length)
    throw new ConvoyError(
      'usage',
      `fit: ${counted(x.length, 'tensor')} of inputs for a model with ${counted(inputs.length, 'input')}.`,
    )
  const counts = [...x, ...y].map(({ shape }) => shape[0] ?? 0)
  if (new Set(counts).size > 1)
    throw new ConvoyError(
      'usage',
      `fit: x and y have other numbers of samples (${counts.join(', ')}); give as many targets as samples.`,
    )
  return counts[0]!
}

function columnOf(name: string, { dtype, shape }: Values): Column {
  if (dtype !== 'float32' && dtype !== 'int32')
    throw new ConvoyError('usage', `fit: the input ${name} is of type ${dtype}; give float32 or int32.`)
  return { name, type: dtype, shape: shape.slice(1) }
}

/** The values of several tensors, one after the other. */
function joined({ name, type, shape }: Column, tensors: readonly Values[]): ColumnValues {
  for (const tensor of tensors)
    if (tensor.dtype !== type || tensor.shape.slice(1).join() !== shape.join())
      throw new ConvoyError(
        'usage',
        `fit: the validation data of ${name} are of another type or shape than the data to train on.`,
      )
  return joinValues(type, tensors)
}
