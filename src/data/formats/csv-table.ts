import path from 'node:path'
import { CsvError, parse } from 'csv-parse/sync'
import { ConvoyError } from '../../shared/errors.js'
import { listed } from '../../shared/log/listed.js'
import { readRegularFile } from '../../shared/read-file.js'
import { counted } from '../../shared/units.js'
import { checkPackedSize } from '../cache/packed-layout.js'
import { MAX_CLASSES } from '../dataset.js'
import type { DatasetFormat, DecodedArrays, DecodedWithNotes, TableOptions } from './dataset-format.js'

/** Of the file. It becomes one string, which has less than 536 million characters (V8). */
const MAX_BYTES = 500e6
const MAX_COLUMNS = 65_536
/** A column of words becomes one input for each of them. */
const MAX_WORDS = 100

export const csvTable: DatasetFormat = {
  title: 'tables (.csv, .tsv)',
  recognizes: (names) => names.length === 1 && /\.(csv|tsv)$/i.test(names[0]!),
  readFile,
}

/** A column of the table, as text. */
interface TextColumn {
  readonly name: string
  readonly cells: readonly string[]
}

/** What a column becomes as an input: a number, or one for each word. */
interface Feature {
  /** Numbers of a sample. */
  readonly width: number
  at(row: number, place: number): number
  readonly note?: string
}

/**
 * Reads a table: a line of names, then a sample a line. One column is the target, all others are inputs: numbers as they are, words as one
 * number for each word that occurs, which is 1 where the word is.
 * @throws ConvoyError('usage') for a target that does not exist; ConvoyError('data') naming line and column of what cannot be used
 */
function readFile(file: string, name: string, { target, classTarget = false }: TableOptions): DecodedWithNotes {
  const columns = readColumns(file)
  const targetColumn = findTarget(file, columns, target)
  const inputs = columns.filter((column) => column !== targetColumn)
  if (inputs.length === 0) throw new ConvoyError('data', `${file}: it has one column; give it inputs and a target.`)
  const features = inputs.map((column) => featureOf(file, column))
  const count = targetColumn.cells.length
  const width = features.reduce((sum, feature) => sum + feature.width, 0)
  const inputInfo = [{ name: 'features', type: 'float32' as const, shape: [width] }]
  const hasClasses = classTarget || !isNumeric(targetColumn)
  const { description, ...learnt } = hasClasses ? classesOf(file, targetColumn) : numbersOf(file, targetColumn)
  const header = { name, count, inputs: inputInfo, targets: learnt.targets, classNames: learnt.classNames }
  checkPackedSize(name, header)
  const decoded: DecodedArrays = { ...header, ...learnt, inputValues: [valuesOf(features, count, width)] }
  return {
    decoded,
    notes: [
      `The target is ${targetColumn.name}: ${description}. The inputs are ${listed(inputs.map((column) => column.name))}.`,
      ...features.flatMap(({ note }) => note ?? []),
    ],
  }
}

function readColumns(file: string): TextColumn[] {
  const text = readRegularFile(file, MAX_BYTES).toString('utf8')
  let rows: string[][]
  try {
    rows = parse(text, {
      bom: true,
      delimiter: delimiterOf(file, text),
      trim: true,
      skip_empty_lines: true,
    })
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    throw new ConvoyError('data', `${file}: ${error.message}. Mend that line and import the file again.`, {
      cause: error,
    })
  }
  const [names, ...samples] = rows
  if (names === undefined || samples.length === 0)
    throw new ConvoyError(
      'data',
      `${file}: it holds no samples; the first line has names, and each further one a sample.`,
    )
  if (names.some((cell) => cell === '' || isNumber(cell)))
    throw new ConvoyError(
      'data',
      `${file}: its first line has ${JSON.stringify(names.find((cell) => cell === '' || isNumber(cell)))} in place of a name; put a line with the names of the columns before it.`,
    )
  const twice = names.find((cell, index) => names.indexOf(cell) !== index)
  if (twice !== undefined) throw new ConvoyError('data', `${file}: two columns are called ${twice}; rename one.`)
  if (names.length > MAX_COLUMNS)
    throw new ConvoyError(
      'data',
      `${file}: it has ${names.length} columns, more than the ${MAX_COLUMNS} that are read.`,
    )
  return names.map((columnName, index) => {
    const cells = samples.map((row) => row[index]!)
    const empty = cells.indexOf('')
    if (empty !== -1) throw wrong(file, columnName, empty, 'is empty; fill it in, or remove the line')
    return { name: columnName, cells }
  })
}

/** Tabs of a .tsv; otherwise whichever of comma, semicolon and tab the first line has most of. */
function delimiterOf(file: string, text: string): string {
  if (/\.tsv$/i.test(file)) return '\t'
  const [firstLine] = text.split('\n', 1)
  const times = (character: string): number => firstLine!.split(character).length
  return [',', ';', '\t'].reduce((best, character) => (times(character) > times(best) ? character : best))
}

function findTarget(file: string, columns: readonly TextColumn[], target: string | undefined): TextColumn {
  if (target === undefined) return columns.at(-1)!
  const found = columns.find(({ name }) => name === target)
  if (found !== undefined) return found
  const names = listed(columns.map(({ name }) => name))
  throw new ConvoyError(
    'usage',
    `${path.basename(file)} has no column ${target}; it has ${names}. Name one of these with \`convoy data import --target <column>\`.`,
  )
}

function featureOf(file: string, column: TextColumn): Feature {
  if (isNumeric(column)) return { width: 1, at: numberReader(file, column) }
  const words = [...new Set(column.cells)].sort()
  if (words.length > MAX_WORDS) {
    const stray = column.cells.findIndex((cell) => !isNumber(cell))
    throw wrong(
      file,
      column.name,
      stray,
      `is ${JSON.stringify(column.cells[stray])}, and the column has ${words.length} different values; of words, ${MAX_WORDS} fit. Make numbers of it, or remove the column`,
    )
  }
  const places = new Map(words.map((word, place) => [word, place]))
  return {
    width: words.length,
    at: (row, place) => Number(places.get(column.cells[row]!) === place),
    note: `${column.name} is words and becomes ${counted(words.length, 'input')}, 1 where the word is: ${listed(words)}.`,
  }
}

function valuesOf(features: readonly Feature[], count: number, width: number): Float32Array {
  const values = new Float32Array(count * width)
  for (let row = 0; row < count; row++) {
    let offset = row * width
    for (const feature of features)
      for (let place = 0; place < feature.width; place++) values[offset++] = feature.at(row, place)
  }
  return values
}

type Learnt = Pick<DecodedArrays, 'targets' | 'targetValues' | 'classNames' | 'labels'> & {
  readonly description: string
}

function classesOf(file: string, { name, cells }: TextColumn): Learnt {
  const classNames = [...new Set(cells)].sort()
  if (classNames.length > MAX_CLASSES)
    throw new ConvoyError(
      'data',
      `${file}: the target ${name} has ${classNames.length} different values; of classes, ${MAX_CLASSES} fit. Choose another column with \`convoy data import ${path.basename(file)} --target <column>\`.`,
    )
  const labels = new Map(classNames.map((className, label) => [className, label]))
  return {
    ...{ classNames, targets: [], targetValues: [], labels: Uint16Array.from(cells, (cell) => labels.get(cell)!) },
    description: counted(classNames.length, 'class', 'classes'),
  }
}

function numbersOf(file: string, column: TextColumn): Learnt {
  const read = numberReader(file, column)
  return {
    ...{ classNames: [], labels: new Uint16Array(0), targets: [{ name: column.name, type: 'float32', shape: [] }] },
    targetValues: [Float32Array.from(column.cells, (_, row) => read(row))],
    description: 'numbers (`convoy data import --classes` would make classes of them)',
  }
}

function isNumeric({ cells }: TextColumn): boolean {
  return cells.every(isNumber)
}

function isNumber(cell: string): boolean {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(cell)
}

/** @returns the number in a row, rounded to float32 */
function numberReader(file: string, { name, cells }: TextColumn): (row: number) => number {
  return (row) => {
    const value = Math.fround(Number(cells[row]!))
    if (!Number.isFinite(value))
      throw wrong(file, name, row, `is ${cells[row]}, more than float32 holds; scale the column`)
    return value
  }
}

/** @param row of the samples, from 0: the names are in line 1 */
function wrong(file: string, column: string, row: number, problem: string): ConvoyError {
  return new ConvoyError('data', `${file}, sample ${row + 1}: ${column} ${problem}.`)
}
