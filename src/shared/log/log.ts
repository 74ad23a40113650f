import type { LogLevel, LogLevels, LogModule } from './log-levels.js'
import { isUrgent } from './log-levels.js'

export type LogFields = Readonly<Record<string, unknown>>

export interface LogRecord {
  /** Milliseconds since 1970. */
  readonly timeMs: number
  readonly level: LogLevel
  readonly module: LogModule
  /** One sentence for people. */
  readonly message: string
  /** The same for machines. */
  readonly fields?: LogFields
  /** The name of the worker that said it; absent: this process. */
  readonly worker?: string
}

export type LogSink = (record: LogRecord) => void

/** The log of one module: what is handed in to constructors. */
export type Logger = Readonly<Record<LogLevel, (message: string, fields?: LogFields) => void>>

export interface LogOptions {
  readonly levels: LogLevels
  /** Every record goes to each of them. */
  readonly sinks: readonly LogSink[]
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** Takes what the modules of a process say, and passes on what the levels let through. */
export class Log {
  readonly #options: LogOptions

  constructor(options: LogOptions) {
    this.#options = options
  }

  module(module: LogModule): Logger {
    const { levels, now } = this.#options
    const say =
      (level: LogLevel) =>
      (message: string, fields?: LogFields): void => {
        if (isUrgent(level, levels[module]))
          this.write({ timeMs: now(), level, module, message, ...(fields && { fields }) })
      }
    return { error: say('error'), warn: say('warn'), info: say('info'), debug: say('debug') }
  }

  /** Passes on a record as it is, whatever its level. */
  write(record: LogRecord): void {
    for (const sink of this.#options.sinks) sink(record)
  }
}
