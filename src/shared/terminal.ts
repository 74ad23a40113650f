import { createInterface } from 'node:readline/promises'
import { styleText } from 'node:util'
import { printable, printableLines } from './log/printable.js'

const USUAL_COLUMNS = 80
/** Of a terminal that does not know its size. */
const USUAL_ROWS = 24

const TO_LINE_START = '\r'
const CLEAR_LINE = '\u001b[K'
const CLEAR_BELOW = '\u001b[J'
/** The terminal cuts off what is too long for a line: it knows how wide each character is. */
const [CUT, WRAP] = ['\u001b[?7l', '\u001b[?7h']

/** Why a stream cannot be written any more, by the system's code. */
const LOSSES: Readonly<Record<string, string>> = {
  EPIPE: 'nobody reads it any more',
  EIO: 'its terminal is gone',
  ENOSPC: 'its disk is full',
}

/** Of progress and notices, which are in the log file too. */
const MAX_UNREAD_BYTES = 8 * 1024 * 1024

/** Why nothing more can be written, in a few words. */
export function describeLoss({ code = '', message }: NodeJS.ErrnoException): string {
  return LOSSES[code] === undefined ? message : `${LOSSES[code]} (${code})`
}

/**
 * The one way out to standard output and standard error (lint forbids others). Whatever a text holds, nothing in it moves the
 * cursor, changes colours or hides: only the control characters of this file pass. A name that is put into a text of several
 * lines goes through {@link printable} first, so that it cannot begin a line; cells of a table do so by themselves.
 */
export class Terminal {
  readonly #stream: NodeJS.WriteStream
  readonly #maxUnreadBytes: number
  #blockLines = 0
  #lostTo: NodeJS.ErrnoException | undefined
  #onLost: ((error: NodeJS.ErrnoException) => void) | undefined

  /** @param maxUnreadBytes while a reader that stands still has left so much unread, further texts are dropped */
  constructor(stream: NodeJS.WriteStream, maxUnreadBytes = Infinity) {
    this.#stream = stream
    this.#maxUnreadBytes = maxUnreadBytes
  }

  get isTerminal(): boolean {
    return this.#stream.isTTY
  }

  /** Whether this is a terminal where the cursor can be moved. */
  get canRedraw(): boolean {
    return this.isTerminal && process.env['TERM'] !== 'dumb'
  }

  /** Whether somebody can answer a question. */
  get canAsk(): boolean {
    return process.stdin.isTTY && this.#stream.isTTY
  }

  /** Asks a question, where {@link canAsk} says that somebody can answer. @returns the answer, trimmed */
  async ask(question: string): Promise<string> {
    const terminal = createInterface({ input: process.stdin, output: this.#stream })
    try {
      return (await terminal.question(`${printable(question)} `)).trim()
    } finally {
      terminal.close()
    }
  }

  /** Columns that a line may fill without making the terminal begin another one. */
  get columns(): number {
    return (this.#stream.columns || USUAL_COLUMNS) - 1
  }

  /** Writes a text whose lines are meant; it ends them itself. JSON stays JSON with the same content. */
  print(text: string): void {
    this.#write(printableLines(text))
  }

  /** Writes one line, in yellow when it is a fault. */
  notice(line: string, isFault = false): void {
    this.#write(`${this.#line(line, isFault)}\n`)
  }

  /** As {@link notice}, in place of the line that was drawn last. */
  noticeOver(line: string, isFault = false): void {
    this.#write(`${TO_LINE_START}${CLEAR_LINE}${this.#line(line, isFault)}\n`)
  }

  /** Draws a line over the one that was drawn last. */
  redraw(line: string): void {
    this.#write(`${TO_LINE_START}${printable(line)}${CLEAR_LINE}`)
  }

  /** Writes a text over the one that was written so before. What does not fit the terminal is cut off. */
  redrawBlock(text: string): void {
    const rows = Math.max(1, (this.#stream.rows || USUAL_ROWS) - 1)
    const lines = text.trimEnd().split('\n').slice(0, rows)
    const up = this.#blockLines > 0 ? `\u001b[${this.#blockLines}A` : ''
    this.#write(`${up}${TO_LINE_START}${CLEAR_BELOW}${CUT}${lines.map(printable).join('\n')}${WRAP}\n`)
    this.#blockLines = lines.length
  }

  /**
   * Says what to do when nothing can be written any more: the reader is gone, the terminal vanished, the disk is full. Without it, such
   * an error ends the process. The last `react` counts; it is called once. Texts are dropped from then on.
   */
  whenLost(react: (error: NodeJS.ErrnoException) => void): void {
    if (this.#onLost === undefined) this.#stream.on('error', this.#lost)
    this.#onLost = react
    if (this.#lostTo) react(this.#lostTo)
  }

  readonly #lost = (error: NodeJS.ErrnoException): void => {
    if (this.#lostTo) return
    this.#lostTo = error
    this.#onLost?.(error)
  }

  #write(text: string): void {
    if (this.#lostTo === undefined && !(this.#stream.writableLength > this.#maxUnreadBytes)) this.#stream.write(text)
  }

  /** NO_COLOR, FORCE_COLOR and TERM are read as Node reads them. */
  #line(line: string, isFault: boolean): string {
    const stream = this.#stream
    const forced = process.env['FORCE_COLOR']
    const shows = stream.isTTY ? stream.hasColors() : forced !== undefined && !['0', 'false'].includes(forced)
    // Newer versions of Node would look at standard output otherwise.
    return isFault && shows ? styleText('yellow', printable(line), { validateStream: false }) : printable(line)
  }
}

/** For results. */
export const standardOutput = new Terminal(process.stdout)
/** For progress, notices and errors. */
export const standardError = new Terminal(process.stderr, MAX_UNREAD_BYTES)
