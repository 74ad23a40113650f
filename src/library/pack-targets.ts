import type { Column, ColumnValues } from '../data/dataset.js'
import type { DecodedArrays } from '../data/formats/dataset-format.js'
import { ConvoyError } from '../shared/errors.js'
import { counted } from '../shared/units.js'
import type { TargetKind } from './read-compiled.js'
import type { Values } from './values.js'
import { joinValues } from './values.js'

/** The targets of one output, as `model.fit` takes them. */
export interface OutputTargets {
  readonly name: string
  readonly targets: TargetKind
  /** Numbers of the output. */
  readonly size: number
  /** Of the samples to train on, then of those to validate on; `[samples, …]`. */
  readonly tensors: readonly Values[]
}

export type PackedTargets = Pick<DecodedArrays, 'targets' | 'targetValues' | 'classNames' | 'labels'>

/**
 * What a model learns, as a data set holds it: the labels of its only output, or a column of each.
 * @throws ConvoyError('usage') for targets that do not fit an output
 */
export function packTargets(outputs: readonly OutputTargets[]): PackedTargets {
  const [only] = outputs as [OutputTargets]
  if (outputs.length === 1 && isOfClasses(only))
    return {
      ...{ targets: [], targetValues: [], classNames: classNames(only) },
      labels: Uint16Array.from(labelsOf(only, '')),
    }
  const columns = outputs.map((output) => columnOf(output, outputs.length > 1 ? `[${output.name}]` : ''))
  return {
    targets: columns.map(({ column }) => column),
    targetValues: columns.map(({ values }) => values),
    ...{ classNames: [], labels: new Uint16Array(0) },
  }
}

function isOfClasses({ targets }: OutputTargets): boolean {
  return targets === 'one-hot' || targets === 'labels'
}

function classNames({ size }: OutputTargets): string[] {
  return Array.from({ length: size }, (_, label) => `${label}`)
}

/** @param which output, for errors */
function columnOf(output: OutputTargets, which: string): { readonly column: Column; readonly values: ColumnValues } {
  const { name, size } = output
  if (isOfClasses(output))
    return {
      column: { name, type: 'int32', shape: [], classNames: classNames(output) },
      values: Int32Array.from(labelsOf(output, which)),
    }
  const column: Column = { name, type: 'float32', shape: size === 1 ? [] : [size] }
  return { column, values: numbersOf(output, which) }
}

function labelsOf({ targets, size, tensors }: OutputTargets, which: string): number[] {
  const labels = tensors.flatMap((tensor) =>
    targets === 'labels' ? Array.from(tensor.dataSync()) : hotPlaces(tensor.dataSync(), size, which),
  )
  const wrong = labels.findIndex((label) => !Number.isInteger(label) || label < 0 || label >= size)
  if (wrong !== -1)
    throw new ConvoyError(
      'usage',
      `fit: sample ${wrong} of y${which} has the label ${labels[wrong]}; the model has the classes 0 to ${size - 1}.`,
    )
  return labels
}

/** The place of the 1 in rows of a 1 and zeros. */
function hotPlaces(values: ArrayLike<number>, classes: number, which: string): number[] {
  return Array.from({ length: values.length / classes }, (_, row) => {
    const cells = Array.from({ length: classes }, (_, label) => values[row * classes + label]!)
    const label = cells.indexOf(1)
    if (label === -1 || cells.some((cell, index) => cell !== Number(index === label)))
      throw new ConvoyError(
        'usage',
        `fit: row ${row} of y${which} is not one-hot (${cells.slice(0, 8).join(', ')}); categoricalCrossentropy takes rows of a 1 and zeros.`,
      )
    return label
  })
}

function numbersOf({ size, tensors }: OutputTargets, which: string): Float32Array {
  const wrong = tensors.find((tensor) => tensor.size !== tensor.shape[0]! * size)
  if (wrong !== undefined)
    throw new ConvoyError(
      'usage',
      `fit: y${which} is ${wrong.shape.join(' x ')}, and the model has ${counted(size, 'output')} for each sample.`,
    )
  const values = joinValues('float32', tensors) as Float32Array
  const infinite = values.findIndex((value) => !Number.isFinite(value))
  if (infinite !== -1)
    throw new ConvoyError('usage', `fit: sample ${Math.floor(infinite / size)} of y${which} is not finite.`)
  return values
}
