import { ConvoyError } from '../../shared/errors.js'
import { listed } from '../../shared/log/listed.js'
import { counted } from '../../shared/units.js'
import type { TableFeature } from '../dataset.js'
import type { TextColumn } from './read-table.js'
import { isNumber, isNumeric, numberReader, wrong } from './read-table.js'

/** A column of words becomes one input for each of them. */
const MAX_WORDS = 100

/** What a column becomes as inputs. @throws ConvoyError('data') for a column of too many words */
export function featureOf(file: string, column: TextColumn): TableFeature {
  const { name } = column
  if (isNumeric(column)) return { name }
  const words = [...new Set(column.cells)].sort()
  if (words.length > MAX_WORDS) {
    const stray = column.cells.findIndex((cell) => !isNumber(cell))
    throw wrong(
      file,
      name,
      stray,
      `is ${JSON.stringify(column.cells[stray])}, and the column has ${words.length} different values; of words, ${MAX_WORDS} fit. Make numbers of it, or remove the column`,
    )
  }
  return { name, words }
}

/** For people; undefined: the column is a number. */
export function describeFeature({ name, words }: TableFeature): string | undefined {
  return (
    words && `${name} is words and becomes ${counted(words.length, 'input')}, 1 where the word is: ${listed(words)}.`
  )
}

/** Numbers of a sample. */
export function widthOf(features: readonly TableFeature[]): number {
  return features.reduce((sum, { words }) => sum + (words?.length ?? 1), 0)
}

/**
 * The inputs of a model that learnt from a table of these features.
 * @param columns of a table that has these, and may have others
 * @returns float32, `[rows, widthOf(features)]`
 * @throws ConvoyError('data') for a column that is missing, a word that the model has not learnt, or a word in place of a number
 */
export function encodeFeatures(
  file: string,
  columns: readonly TextColumn[],
  features: readonly TableFeature[],
): Float32Array {
  const byName = new Map(columns.map((column) => [column.name, column]))
  const missing = features.filter(({ name }) => !byName.has(name)).map(({ name }) => name)
  if (missing.length > 0)
    throw new ConvoyError(
      'data',
      `${file} has no column ${listed(missing)}; the inputs are ${listed(features.map(({ name }) => name))}. Name its columns in the first line.`,
    )
  const rows = columns[0]!.cells.length
  const width = widthOf(features)
  const values = new Float32Array(rows * width)
  let offset = 0
  for (const feature of features) {
    const place = placesOf(file, byName.get(feature.name)!, feature)
    for (let row = 0; row < rows; row++) {
      const [at, value] = place(row)
      values[row * width + offset + at] = value
    }
    offset += feature.words?.length ?? 1
  }
  return values
}

/** @returns of a row, the input that is not 0, counted from the column's first, and its value */
function placesOf(
  file: string,
  column: TextColumn,
  { name, words }: TableFeature,
): (row: number) => readonly [at: number, value: number] {
  if (words === undefined) {
    const read = numberReader(file, column)
    return (row) => {
      if (isNumber(column.cells[row]!)) return [0, read(row)]
      throw wrong(file, name, row, `is ${JSON.stringify(column.cells[row])}, and the model has learnt numbers`)
    }
  }
  const places = new Map(words.map((word, place) => [word, place]))
  return (row) => {
    const place = places.get(column.cells[row]!)
    if (place !== undefined) return [place, 1]
    throw wrong(
      file,
      name,
      row,
      `is ${JSON.stringify(column.cells[row])}, a word that the model has not learnt; it knows ${listed(words)}`,
    )
  }
}
