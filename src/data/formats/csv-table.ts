import path from 'node:path'
import { ConvoyError } from '../../shared/errors.js'
import { listed } from '../../shared/log/listed.js'
import { counted } from '../../shared/units.js'
import { checkPackedSize } from '../cache/packed-layout.js'
import type { Column, ColumnValues } from '../dataset.js'
import { MAX_CLASSES } from '../dataset.js'
import type { DatasetFormat, DecodedArrays, DecodedWithNotes, TableOptions } from './dataset-format.js'
import type { TextColumn } from './read-table.js'
import { isNumber, isNumeric, numberReader, readTable, wrong } from './read-table.js'
import { describeFeature, encodeFeatures, featureOf, widthOf } from './table-features.js'

/** Of the names of columns and words, as JSON: they travel to each worker in one message. */
const MAX_FEATURE_BYTES = 1 << 20

export const csvTable: DatasetFormat = {
  title: 'tables (.csv, .tsv)',
  recognizes: (names) => names.length === 1 && /\.(csv|tsv)$/i.test(names[0]!),
  readFile,
}

/**
 * Reads a table: a line of names, then a sample a line. Columns are targets, or have the samples' weights; all others are inputs: numbers as
 * they are, words as one number for each word that occurs, which is 1 where the word is.
 * @throws ConvoyError('usage') for a column that does not exist; ConvoyError('data') naming line and column of what cannot be used
 */
function readFile(file: string, name: string, { targets, classTarget, weights }: TableOptions): DecodedWithNotes {
  const columns = readTable(file)
  const outputs = targets?.map((target) => findTarget(file, columns, target)) ?? [[columns.at(-1)!]]
  const weightColumn =
    weights === undefined
      ? undefined
      : findColumn(file, columns, weights, '`convoy data import --sample-weight <column>`')
  const taken = [...outputs.flat(), ...(weightColumn ? [weightColumn] : [])]
  const twice = taken.find((column, index) => taken.indexOf(column) !== index)
  if (twice !== undefined)
    throw new ConvoyError('usage', `${path.basename(file)}: the column ${twice.name} is named twice; name it once.`)
  const inputs = columns.filter((column) => !taken.includes(column))
  if (inputs.length === 0)
    throw new ConvoyError('data', `${file}: it has no column for the inputs; give it inputs and a target.`)
  const features = inputs.map((column) => featureOf(file, column))
  const count = inputs[0]!.cells.length
  const areKept = Buffer.byteLength(JSON.stringify(features)) <= MAX_FEATURE_BYTES
  const inputInfo = [{ name: 'features', type: 'float32' as const, shape: [widthOf(features)] }]
  const { notes, ...learnt } = learntOf(file, outputs, classTarget === true)
  const header = {
    ...{ name, count, inputs: inputInfo, targets: learnt.targets },
    ...(weightColumn && { hasWeights: true as const }),
    classNames: learnt.classNames,
    ...(areKept && { features }),
  }
  checkPackedSize(name, header)
  const sampleWeights = weightColumn ? weightsOf(file, weightColumn) : new Float32Array(0)
  const decoded: DecodedArrays = {
    ...header,
    ...learnt,
    inputValues: [encodeFeatures(file, inputs, features)],
    sampleWeights,
  }
  return {
    decoded,
    notes: [
      ...notes,
      ...(weightColumn ? [`The weight of each sample is ${weightColumn.name}.`] : []),
      `The inputs are ${listed(inputs.map((column) => column.name))}.`,
      ...features.flatMap((feature) => describeFeature(feature) ?? []),
      ...(areKept ? [] : ['Its names are too long to be kept, so `convoy predict` will take no table for its models.']),
    ],
  }
}

/** The columns that one output learns: one of this name, or several, separated by commas. */
function findTarget(file: string, columns: readonly TextColumn[], target: string): TextColumn[] {
  const isOne = !target.includes(',') || columns.some(({ name }) => name === target)
  const names = isOne ? [target] : target.split(',').map((name) => name.trim())
  return names.map((name) => findColumn(file, columns, name, '`convoy data import --target <column>`'))
}

/** @param command that names a column */
function findColumn(file: string, columns: readonly TextColumn[], wanted: string, command: string): TextColumn {
  const found = columns.find(({ name }) => name === wanted)
  if (found !== undefined) return found
  const names = listed(columns.map(({ name }) => name))
  throw new ConvoyError(
    'usage',
    `${path.basename(file)} has no column ${wanted}; it has ${names}. Name one of these with ${command}.`,
  )
}

function weightsOf(file: string, column: TextColumn): Float32Array {
  const stray = column.cells.findIndex((cell) => !isNumber(cell) || Number(cell) < 0)
  if (stray !== -1) throw wrong(file, column.name, stray, `is ${column.cells[stray]}; a weight is a number from 0 on`)
  const read = numberReader(file, column)
  return Float32Array.from(column.cells, (_, row) => read(row))
}

type Learnt = Pick<DecodedArrays, 'targets' | 'targetValues' | 'classNames' | 'labels'> & {
  readonly notes: readonly string[]
}

/** @param outputs the columns of each; @param areClasses of the only one, although they are numbers */
function learntOf(file: string, outputs: readonly (readonly TextColumn[])[], areClasses: boolean): Learnt {
  const [first] = outputs as [readonly TextColumn[]]
  if (areClasses && (outputs.length > 1 || first.length > 1))
    throw new ConvoyError(
      'usage',
      `${path.basename(file)}: \`convoy data import --classes\` is for one target; write words in place of the numbers.`,
    )
  if (outputs.length === 1 && first.length === 1 && (areClasses || !isNumeric(first[0]!))) {
    const { classNames, indices } = classesOf(file, first[0]!)
    const notes = [`The target is ${first[0]!.name}: ${counted(classNames.length, 'class', 'classes')}.`]
    return { classNames, targets: [], targetValues: [], labels: Uint16Array.from(indices), notes }
  }
  const learnt = outputs.map((columns) => targetOf(file, columns))
  return {
    ...{ classNames: [], labels: new Uint16Array(0) },
    targets: learnt.map(({ column }) => column),
    targetValues: learnt.map(({ values }) => values),
    notes:
      learnt.length === 1
        ? [`The target is ${learnt[0]!.note}.`]
        : learnt.map(({ note }, index) => `The target of output ${index + 1} is ${note}.`),
  }
}

/** What one output learns: the classes of one column, or the numbers of one or several. */
function targetOf(
  file: string,
  columns: readonly TextColumn[],
): { readonly column: Column; readonly values: ColumnValues; readonly note: string } {
  const name = columns.map((column) => column.name).join(',')
  const words = columns.find((column) => !isNumeric(column))
  if (words === undefined) {
    const readers = columns.map((column) => numberReader(file, column))
    const rows = columns[0]!.cells.map((_, row) => readers.map((read) => read(row)))
    const hint = columns.length === 1 ? ' (`convoy data import --classes` would make classes of them)' : ''
    return {
      column: { name, type: 'float32', shape: columns.length === 1 ? [] : [columns.length] },
      values: Float32Array.from(rows.flat()),
      note: `${name}: ${columns.length === 1 ? `numbers${hint}` : counted(columns.length, 'number')}`,
    }
  }
  if (columns.length > 1)
    throw new ConvoyError(
      'usage',
      `${path.basename(file)}: the column ${words.name} has words, and ${name} is to be one output; give each its own with \`convoy data import --target <column>\`.`,
    )
  const { classNames, indices } = classesOf(file, words)
  return {
    column: { name, type: 'int32', shape: [], classNames },
    values: Int32Array.from(indices),
    note: `${name}: ${counted(classNames.length, 'class', 'classes')}`,
  }
}

/** The values of a column as classes, in the order of their names. */
function classesOf(
  file: string,
  { name, cells }: TextColumn,
): { readonly classNames: readonly string[]; readonly indices: readonly number[] } {
  const classNames = [...new Set(cells)].sort()
  if (classNames.length > MAX_CLASSES)
    throw new ConvoyError(
      'data',
      `${file}: the target ${name} has ${classNames.length} different values; of classes, ${MAX_CLASSES} fit. Choose another column with \`convoy data import ${path.basename(file)} --target <column>\`.`,
    )
  if (classNames.length < 2)
    throw new ConvoyError('data', `${file}: the target ${name} has one value only; there is nothing to learn.`)
  const labels = new Map(classNames.map((className, label) => [className, label]))
  return { classNames, indices: cells.map((cell) => labels.get(cell)!) }
}
