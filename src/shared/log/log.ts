import type { LogLevel, LogLevels, LogModule } from './log-levels.js'
import { isAtLeast } from './log-levels.js'

export type LogFields = Readonly<Record<string, unknown>>

export interface LogRecord {
  /** Milliseconds since 1970. */
  readonly timeMs: number
  readonly level: LogLevel
  readonly module: LogModule
  /** One sentence for people. */
  readonly message: string
  /** The content of the message as data. */
  readonly fields?: LogFields
  /** The name of the worker that logged it; absent for this process. */
  readonly worker?: string
}

export type LogSink = (record: LogRecord) => void

/** The log of one module, as passed to constructors. */
export type Logger = Readonly<Record<LogLevel, (message: string, fields?: LogFields) => void>>

export interface LogOptions {
  readonly levels: LogLevels
  /** Every record goes to each of them. */
  readonly sinks: readonly LogSink[]
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** Passes the records of a process's modules to its sinks, if their level permits. */
export class Log {
  readonly #options: LogOptions

  constructor(options: LogOptions) {
    this.#options = options
  }

  module(module: LogModule): Logger {
    const { levels, now } = this.#options
    const at =
      (level: LogLevel) =>
      (message: string, fields?: LogFields): void => {
        if (isAtLeast(level, levels[module]))
          this.write({ timeMs: now(), level, module, message, ...(fields && { fields }) })
      }
    return { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') }
  }

  /** Passes a record to the sinks, whatever its level. */
  write(record: LogRecord): void {
    for (const sink of this.#options.sinks) sink(record)
  }
}
