import { styleText } from 'node:util'

const USUAL_COLUMNS = 80

/** Whether that is a terminal where the cursor can be moved. */
export function canRedraw(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY && process.env['TERM'] !== 'dumb'
}

/** Columns that a line may fill without making the terminal begin another one. */
export function columnsOf(stream: NodeJS.WriteStream): number {
  return (stream.columns || USUAL_COLUMNS) - 1
}

/** Yellow where the stream shows colours: NO_COLOR, FORCE_COLOR and TERM are read as Node reads them. */
export function highlighted(text: string, stream: NodeJS.WriteStream): string {
  const forced = process.env['FORCE_COLOR']
  const shows = stream.isTTY ? stream.hasColors() : forced !== undefined && !['0', 'false'].includes(forced)
  // Newer versions of Node would look at standard output otherwise.
  return shows ? styleText('yellow', text, { validateStream: false }) : text
}
