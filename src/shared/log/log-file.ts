import path from 'node:path'
import { finished } from 'node:stream/promises'
import winston from 'winston'
import type { LogRecord } from './log.js'
import { printable } from './printable.js'
import { RotatingFile } from './rotating-file.js'

export interface LogFileOptions {
  readonly directory: string
  /** Called once when a line cannot be written, such as on a full disk. */
  readonly onFailure: (error: Error) => void
  /** Size limit of a file. A full one is renamed to `convoy.1.log`, and so on. @default 16 MiB */
  readonly mostBytes?: number
  /** @default 5 */
  readonly mostFiles?: number
}

const MAX_BYTES = 16 * 1024 * 1024
const MAX_FILES = 5

/** `convoy.log` of a run: one JSON object a line, rotated by size. Older lines are in `convoy.1.log`, the oldest in `convoy.4.log`. */
export class LogFile {
  readonly #logger: winston.Logger
  readonly #stream: RotatingFile

  constructor({ directory, onFailure, mostBytes = MAX_BYTES, mostFiles = MAX_FILES }: LogFileOptions) {
    this.#stream = new RotatingFile(path.join(directory, 'convoy'), mostBytes, mostFiles, onFailure)
    this.#logger = winston.createLogger({
      level: 'debug',
      format: winston.format.printf(({ record }) => line(record as LogRecord)),
      transports: [new winston.transports.Stream({ stream: this.#stream })],
    })
  }

  readonly write = (record: LogRecord): void => {
    this.#logger.log({ level: record.level, message: '', record })
  }

  /** Closes the file after all records are written. */
  async close(): Promise<void> {
    const passedOn = new Promise((resolve) => this.#logger.once('finish', resolve))
    this.#logger.end()
    await passedOn
    this.#stream.end()
    await finished(this.#stream)
  }
}

function line({ timeMs, level, module, worker, message, fields }: LogRecord): string {
  const time = new Date(timeMs).toISOString()
  return printable(JSON.stringify({ time, level, module, worker, message, fields }))
}
