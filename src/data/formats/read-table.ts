import { CsvError, parse } from 'csv-parse/sync'
import { ConvoyError } from '../../shared/errors.js'
import { readRegularFile } from '../../shared/read-file.js'

/** Of the file. It becomes one string, which has less than 536 million characters (V8). */
const MAX_BYTES = 500e6
const MAX_COLUMNS = 65_536

/** A column of the table, as text. */
export interface TextColumn {
  readonly name: string
  readonly cells: readonly string[]
}

/**
 * The columns of a table: a line of names, then a sample a line.
 * @param isUsed whether a column of that name is used: of these no cell is empty
 * @throws ConvoyError('data') naming line and column of what cannot be used
 */
export function readTable(file: string, isUsed: (name: string) => boolean = () => true): TextColumn[] {
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
    if (empty !== -1 && isUsed(columnName))
      throw wrong(file, columnName, empty, 'is empty; fill it in, or remove the line')
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

export function isNumeric({ cells }: TextColumn): boolean {
  return cells.every(isNumber)
}

export function isNumber(cell: string): boolean {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(cell)
}

/** @returns the number in a row, rounded to float32; throws ConvoyError('data') for one that does not fit */
export function numberReader(file: string, { name, cells }: TextColumn): (row: number) => number {
  return (row) => {
    const value = Math.fround(Number(cells[row]!))
    if (!Number.isFinite(value))
      throw wrong(file, name, row, `is ${cells[row]}, more than float32 holds; scale the column`)
    return value
  }
}

/** @param row of the samples, from 0: the names are in line 1 */
export function wrong(file: string, column: string, row: number, problem: string): ConvoyError {
  return new ConvoyError('data', `${file}, sample ${row + 1}: ${column} ${problem}.`)
}
