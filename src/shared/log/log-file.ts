import { finished } from 'node:stream/promises'
import path from 'node:path'
import winston from 'winston'
import type { LogRecord } from './log.js'
import { printable } from './printable.js'

export interface LogFileOptions {
  readonly directory: string
  /** Told once when lines cannot be written, such as on a full disk. */
  readonly onFailure: (error: Error) => void
  /** A file that has grown beyond this is kept as `convoy1.log`, and so on. @default 16 MiB */
  readonly mostBytes?: number
  /** @default 5 */
  readonly mostFiles?: number
}

const MOST_BYTES = 16 * 1024 * 1024
const MOST_FILES = 5

/** `convoy.log` of a run: one JSON object a line, rotated by size. Older lines are in `convoy1.log`, the oldest in `convoy4.log`. */
export class LogFile {
  // Without winston's logger before it, which at its end loses what waits to be written.
  readonly #transport

  constructor({ directory, onFailure, mostBytes = MOST_BYTES, mostFiles = MOST_FILES }: LogFileOptions) {
    this.#transport = new winston.transports.File({
      filename: path.join(directory, 'convoy.log'),
      maxsize: mostBytes,
      maxFiles: mostFiles,
      tailable: true,
      format: winston.format.printf(({ record }) => line(record as LogRecord)),
    })
    let hasFailed = false
    this.#transport.on('error', (error: Error) => {
      if (!hasFailed) onFailure(error)
      hasFailed = true
    })
  }

  readonly write = (record: LogRecord): void => {
    this.#transport.write({ level: record.level, message: '', record })
  }

  /** Everything is in the file when this settles. */
  async close(): Promise<void> {
    // It was told already when writing failed.
    const written = finished(this.#transport as unknown as NodeJS.WritableStream).catch(() => undefined)
    this.#transport.end()
    await written
  }
}

function line({ timeMs, level, module, worker, message, fields }: LogRecord): string {
  const time = new Date(timeMs).toISOString()
  return printable(JSON.stringify({ time, level, module, worker, message, fields }))
}
