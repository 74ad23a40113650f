import { storeDataset } from '../data/cache/store-dataset.js'
import { checkDatasetName } from '../data/dataset-names.js'
import type { Column, ColumnValues } from '../data/dataset.js'
import { MAX_CLASSES, sizeOf } from '../data/dataset.js'
import type { DecodedArrays } from '../data/formats/dataset-format.js'
import { ConvoyError } from '../shared/errors.js'
import { counted } from '../shared/units.js'
import type { ArrayInput } from './array-input.js'
import { readArray } from './array-input.js'
import { FIT_DATASET } from './fit-datasets.js'

/** Samples for {@link defineDataset}. Give `targets` or `labels`. */
export interface DatasetDefinition {
  /** As `convoy data list` shows it. */
  readonly name: string
  /** By name, in the order of the model's inputs. */
  readonly inputs: Readonly<Record<string, ArrayInput>>
  /** What each output learns, by name, in the order of the model's outputs: numbers or, with `classNames`, indices of classes. */
  readonly targets?: Readonly<Record<string, ArrayInput & { readonly classNames?: readonly string[] }>>
  /** The class of each sample, for one output: an index of `classNames`, or its name. */
  readonly labels?: ArrayLike<number> | readonly string[]
  /** 2 to 4096. @default the names in `labels`, sorted */
  readonly classNames?: readonly string[]
  /** What the loss of each sample is multiplied by in training, 0 or more. @default 1 */
  readonly sampleWeights?: ArrayLike<number>
}

/** A data set in the cache. */
export interface DatasetHandle {
  readonly name: string
  /** sha256 of its content: for `data` of {@link train}, and `--data` of the commands. */
  readonly fingerprint: string
  /** Samples. */
  readonly count: number
}

/**
 * Packs arrays or tensors into the cache as a data set, unless it is there already. It stays there until `convoy data remove`. If the name is that
 * of a data set that was defined before with other samples, the name moves to this one.
 *
 * @throws ConvoyError('usage') for arrays that do not fit together, or a name that cannot be used; ConvoyError('environment') when the cache
 *   cannot be written
 */
export async function defineDataset(definition: DatasetDefinition): Promise<DatasetHandle> {
  const { inputs, labels, targets } = definition
  const name = checkDatasetName(definition.name)
  if (name === FIT_DATASET) throw wrong(`the name ${FIT_DATASET} is that of the data sets of fit; choose another`)
  if ((labels === undefined) === (targets === undefined)) throw wrong('give either labels or targets')
  const columns = Object.entries(inputs).map(([input, given]) => columnOf(`inputs.${input}`, input, given))
  if (columns.length === 0) throw wrong('inputs is empty; give at least one')
  const { count } = columns[0]!
  const learnt = targets === undefined ? labelled(definition, labels!) : targeted(targets)
  const counts = [...columns, ...learnt.counted].filter((part) => part.count !== count)
  if (counts[0] !== undefined)
    throw wrong(`${counts[0].what} has ${counted(counts[0].count, 'sample')} and ${columns[0]!.what} has ${count}`)
  const decoded: DecodedArrays = {
    ...{ name, count, inputs: columns.map(({ column }) => column), inputValues: columns.map(({ values }) => values) },
    ...learnt.decoded,
    ...weightsOf(definition, count),
  }
  const { fingerprint } = await storeDataset(decoded, { nameIsChosen: true })
  return { name, fingerprint, count }
}

/** An array of the definition. */
interface Part {
  /** Where it is, for errors. */
  readonly what: string
  /** Samples. */
  readonly count: number
}

interface Learnt {
  readonly decoded: Pick<DecodedArrays, 'targets' | 'targetValues' | 'classNames' | 'labels'>
  readonly counted: readonly Part[]
}

function columnOf(
  what: string,
  name: string,
  given: ArrayInput,
): Part & { readonly column: Column; readonly values: ColumnValues } {
  const { type, shape, values } = readArray(`defineDataset: ${what}`, given)
  const infinite = values.findIndex((value) => !Number.isFinite(value))
  if (infinite !== -1)
    throw wrong(`sample ${Math.floor(infinite / sizeOf(shape))} of ${what} is ${values[infinite]}; give finite numbers`)
  return { what, count: values.length / sizeOf(shape), column: { name, type, shape }, values }
}

function targeted(targets: NonNullable<DatasetDefinition['targets']>): Learnt {
  const columns = Object.entries(targets).map(([target, given]) => {
    const what = `targets.${target}`
    const { classNames } = given
    if (classNames === undefined) {
      const part = columnOf(what, target, given)
      return { ...part, column: { ...part.column, type: 'float32' as const }, values: Float32Array.from(part.values) }
    }
    const part = columnOf(what, target, given)
    const labels = labelsIn(what, part.values, checkClassNames(`${what}.classNames`, classNames))
    return {
      ...part,
      column: { name: target, type: 'int32' as const, shape: part.column.shape, classNames },
      values: Int32Array.from(labels),
    }
  })
  if (columns.length === 0) throw wrong('targets is empty; give at least one')
  const decoded = {
    targets: columns.map(({ column }) => column),
    targetValues: columns.map(({ values }) => values),
    ...{ classNames: [], labels: new Uint16Array(0) },
  }
  return { decoded, counted: columns }
}

function labelled({ classNames: given }: DatasetDefinition, labels: NonNullable<DatasetDefinition['labels']>): Learnt {
  const named = Array.from<unknown>(labels)
  const names = named.filter((label) => typeof label === 'string')
  if (given === undefined && names.length < named.length)
    throw wrong('classNames is missing; give the name of each class, or names in labels')
  const classNames = checkClassNames('classNames', given ?? [...new Set(names)].sort())
  const places = new Map(classNames.map((name, label) => [name, label]))
  const indices = named.map((label) => (typeof label === 'string' ? (places.get(label) ?? label) : label))
  return {
    decoded: {
      targets: [],
      targetValues: [],
      classNames,
      labels: Uint16Array.from(labelsIn('labels', indices, classNames)),
    },
    counted: [{ what: 'labels', count: named.length }],
  }
}

function checkClassNames(what: string, classNames: readonly string[]): readonly string[] {
  const twice = classNames.find((name, index) => classNames.indexOf(name) !== index)
  if (twice !== undefined) throw wrong(`${what} has ${JSON.stringify(twice)} twice`)
  if (classNames.length < 2 || classNames.length > MAX_CLASSES)
    throw wrong(`${what} has ${counted(classNames.length, 'name')}; a data set has 2 to ${MAX_CLASSES} classes`)
  return classNames
}

function labelsIn(what: string, labels: ArrayLike<unknown>, classNames: readonly string[]): number[] {
  return Array.from(labels, (label, sample) => {
    if (typeof label === 'number' && Number.isInteger(label) && label >= 0 && label < classNames.length) return label
    throw wrong(
      `sample ${sample} of ${what} is ${JSON.stringify(label)}; the classes are ${JSON.stringify(classNames.slice(0, 8))}, 0 to ${classNames.length - 1}`,
    )
  })
}

function weightsOf(
  { sampleWeights: given }: DatasetDefinition,
  count: number,
): Pick<DecodedArrays, 'hasWeights' | 'sampleWeights'> {
  if (given === undefined) return { sampleWeights: new Float32Array(0) }
  const sampleWeights = Float32Array.from(given)
  if (sampleWeights.length !== count)
    throw wrong(`sampleWeights has ${sampleWeights.length} numbers for ${counted(count, 'sample')}`)
  const bad = sampleWeights.findIndex((weight) => !(weight >= 0 && weight < Infinity))
  if (bad !== -1) throw wrong(`the weight of sample ${bad} is ${given[bad]}; weights are numbers from 0 on`)
  return { hasWeights: true, sampleWeights }
}

function wrong(problem: string): ConvoyError {
  return new ConvoyError('usage', `defineDataset: ${problem}.`)
}
