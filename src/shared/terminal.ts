import { createInterface } from 'node:readline/promises'
import { styleText } from 'node:util'
import { printable, printableLines } from './log/printable.js'

const USUAL_COLUMNS = 80
/** Rows of a terminal of unknown size. */
const USUAL_ROWS = 24

const TO_LINE_START = '\r'
const CLEAR_LINE = '\u001b[K'
const CLEAR_BELOW = '\u001b[J'
/** Make the terminal cut off long lines: it knows the width of each character. */
const [CUT, WRAP] = ['\u001b[?7l', '\u001b[?7h']

/** Reasons why a stream can no longer be written, by the system's error code. */
const LOSSES: Readonly<Record<string, string>> = {
  EPIPE: 'its reader closed it',
  EIO: 'its terminal was closed',
  ENOSPC: 'its disk is full',
}

/** Limit on unread progress and messages. They are in the log file too. */
const MAX_UNREAD_BYTES = 8 * 1024 * 1024

/** A few words on why a stream can no longer be written. */
export function describeLoss({ code = '', message }: NodeJS.ErrnoException): string {
  return LOSSES[code] === undefined ? message : `${LOSSES[code]} (${code})`
}

/**
 * The only way to write to standard output and standard error (lint forbids others). Texts cannot move the cursor, change colours or
 * hide characters: only the control characters of this file pass. Pass names in a text of several lines through {@link printable}, so that
 * they cannot begin a line; tables do so for their cells.
 */
export class Terminal {
  readonly #stream: NodeJS.WriteStream
  readonly #maxUnreadBytes: number
  #blockLines = 0
  #lostTo: NodeJS.ErrnoException | undefined
  #onLost: ((error: NodeJS.ErrnoException) => void) | undefined

  /** @param maxUnreadBytes texts are dropped while a stalled reader has left this many bytes unread */
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

  /** Whether a user can answer a question. */
  get canAsk(): boolean {
    return process.stdin.isTTY && this.#stream.isTTY
  }

  /** Asks a question; check {@link canAsk} first. @returns the answer, trimmed */
  async ask(question: string): Promise<string> {
    const terminal = createInterface({ input: process.stdin, output: this.#stream })
    try {
      return (await terminal.question(`${printable(question)} `)).trim()
    } finally {
      terminal.close()
    }
  }

  /** Columns that a line may fill without wrapping. */
  get columns(): number {
    return (this.#stream.columns || USUAL_COLUMNS) - 1
  }

  /** Writes a text with line breaks of its own, including the last one. JSON stays JSON with the same content. */
  print(text: string): void {
    this.#write(printableLines(text))
  }

  /** Writes one line, in yellow if it is a fault. */
  printLine(line: string, isFault = false): void {
    this.#write(`${this.#line(line, isFault)}\n`)
  }

  /** As {@link printLine}, over the line that was drawn last. */
  printLineOver(line: string, isFault = false): void {
    this.#write(`${TO_LINE_START}${CLEAR_LINE}${this.#line(line, isFault)}\n`)
  }

  /** Draws a line over the one that was drawn last. */
  redraw(line: string): void {
    this.#write(`${TO_LINE_START}${printable(line)}${CLEAR_LINE}`)
  }

  /** Writes a text over the previous one. Lines that do not fit the terminal are cut off. */
  redrawBlock(text: string): void {
    const rows = Math.max(1, (this.#stream.rows || USUAL_ROWS) - 1)
    const lines = text.trimEnd().split('\n').slice(0, rows)
    const up = this.#blockLines > 0 ? `\u001b[${this.#blockLines}A` : ''
    this.#write(`${up}${TO_LINE_START}${CLEAR_BELOW}${CUT}${lines.map(printable).join('\n')}${WRAP}\n`)
    this.#blockLines = lines.length
  }

  /**
   * Sets the function to call when the stream can no longer be written: its reader or terminal is gone, or the disk is full. Without it, such
   * an error ends the process. Only the last `react` is called, once. Texts are dropped from then on.
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
    // Without this option, newer versions of Node check standard output instead.
    return isFault && shows ? styleText('yellow', printable(line), { validateStream: false }) : printable(line)
  }
}

/** For results. */
export const standardOutput = new Terminal(process.stdout)
/** For progress, messages and errors. */
export const standardError = new Terminal(process.stderr, MAX_UNREAD_BYTES)
