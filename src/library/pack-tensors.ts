import type { LayersModel } from '@tensorflow/tfjs'
import type { Column, ColumnValues } from '../data/dataset.js'
import type { DecodedArrays } from '../data/formats/dataset-format.js'
import { ConvoyError } from '../shared/errors.js'
import { counted } from '../shared/units.js'
import type { FitArgs } from './fit-args.js'
import { FIT_DATASET } from './fit-datasets.js'
import type { CompiledModel } from './read-compiled.js'
import type { Values } from './values.js'
import { joinValues } from './values.js'

export interface PackedTensors {
  readonly dataset: DecodedArrays
  /** The last so many samples. */
  readonly validationSamples: number
}

/**
 * The samples of `model.fit` as a data set: those to validate on are the last ones.
 * @param x float32 or int32 of each input, `[samples, …]`
 * @throws ConvoyError('usage') for tensors that do not fit the model or one another
 */
export function packTensors(
  model: LayersModel,
  x: Values | readonly Values[],
  y: Values,
  targets: CompiledModel['targets'],
  { validationSplit, validationData }: FitArgs,
): PackedTensors {
  if (validationSplit !== undefined && validationData !== undefined)
    throw new ConvoyError('usage', 'fit: validationSplit and validationData exclude each other; give one.')
  const parts = [
    { x: [x].flat(), y },
    ...(validationData ? [{ x: [validationData[0]].flat(), y: validationData[1] }] : []),
  ]
  const counts = parts.map((part) => countOf(model, part.x, part.y))
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
  const learnt = targetsOf(
    model,
    parts.map((part) => part.y),
    targets,
  )
  return {
    dataset: { name: FIT_DATASET, count, inputs, inputValues, ...learnt },
    validationSamples: count - trained + ofSplit,
  }
}

function countOf({ inputs }: LayersModel, x: readonly Values[], y: Values): number {
  if (x.length !== inputs.length)
    throw new ConvoyError(
      'usage',
      `fit: ${counted(x.length, 'tensor')} of inputs for a model with ${counted(inputs.length, 'input')}.`,
    )
  const counts = [...x, y].map(({ shape }) => shape[0] ?? 0)
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

function targetsOf(
  model: LayersModel,
  tensors: readonly Values[],
  kind: CompiledModel['targets'],
): Pick<DecodedArrays, 'targets' | 'targetValues' | 'classNames' | 'labels'> {
  const outputs = model.outputs[0]!.shape.at(-1)!
  const values = tensors.flatMap((tensor) => [tensor.dataSync()])
  if (kind === 'one-hot' || kind === 'labels') {
    const labels = values.flatMap((part) => (kind === 'labels' ? Array.from(part) : labelsOf(part, outputs)))
    const wrong = labels.findIndex((label) => !Number.isInteger(label) || label < 0 || label >= outputs)
    if (wrong !== -1)
      throw new ConvoyError(
        'usage',
        `fit: sample ${wrong} has the label ${labels[wrong]}; the model has the classes 0 to ${outputs - 1}.`,
      )
    const classNames = Array.from({ length: outputs }, (_, label) => `${label}`)
    return { targets: [], targetValues: [], classNames, labels: Uint16Array.from(labels) }
  }
  const wrong = tensors.find(({ size, shape }) => size !== shape[0]! * outputs)
  if (wrong !== undefined)
    throw new ConvoyError(
      'usage',
      `fit: y is ${wrong.shape.join(' x ')}, and the model has ${counted(outputs, 'output')} for each sample.`,
    )
  const all = Float32Array.from(values.flatMap((part) => Array.from(part)))
  const infinite = all.findIndex((value) => !Number.isFinite(value))
  if (infinite !== -1)
    throw new ConvoyError('usage', `fit: sample ${Math.floor(infinite / outputs)} of y is not finite.`)
  const target: Column = { name: 'y', type: 'float32', shape: outputs === 1 ? [] : [outputs] }
  return { targets: [target], targetValues: [all], classNames: [], labels: new Uint16Array(0) }
}

/** Of rows with a 1 and zeros. */
function labelsOf(values: ArrayLike<number>, classes: number): number[] {
  return Array.from({ length: values.length / classes }, (_, row) => {
    const cells = Array.from({ length: classes }, (_, label) => values[row * classes + label]!)
    const label = cells.indexOf(1)
    if (label === -1 || cells.some((cell, index) => cell !== Number(index === label)))
      throw new ConvoyError(
        'usage',
        `fit: row ${row} of y is not one-hot (${cells.slice(0, 8).join(', ')}); categoricalCrossentropy takes rows of a 1 and zeros.`,
      )
    return label
  })
}
