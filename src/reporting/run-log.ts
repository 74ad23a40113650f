import { ConvoyError } from '../shared/errors.js'
import { FaultChain } from '../shared/log/fault-chain.js'
import { LogFile } from '../shared/log/log-file.js'
import { isAtLeast, parseLogLevels } from '../shared/log/log-levels.js'
import type { LogRecord } from '../shared/log/log.js'
import { Log } from '../shared/log/log.js'
import { readableLine } from '../shared/log/readable-line.js'
import type { RunObserver } from '../training/run-events.js'
import type { CallObserver } from '../coordinator/services/time-calls.js'
import { callLog } from './call-log.js'
import { eventLog } from './sinks/event-log.js'
import type { ProgressDisplay } from './sinks/terminal-progress.js'

/** A run's log: writes `convoy.log` as JSON, the terminal for people, and the chain of faults. */
export class RunLog {
  readonly log: Log
  /** Logs a call when it ends. */
  readonly call: CallObserver
  readonly #display: ProgressDisplay
  readonly #onLine: (text: string, timeSeconds: number) => void
  readonly #file: LogFile
  readonly #faults = new FaultChain()
  readonly #event: RunObserver
  #isShown = true

  /**
   * @param levels as `--log-level` gives them
   * @param onLine receives lines for people that do not come from a run event
   * @param earlier records from before the directory existed; they are written, but not shown again
   * @throws ConvoyError('usage') for unknown levels
   */
  constructor(
    directory: string,
    levels: string,
    display: ProgressDisplay,
    onLine: (text: string, timeSeconds: number) => void,
    earlier: readonly LogRecord[] = [],
  ) {
    this.#display = display
    this.#onLine = onLine
    this.#file = new LogFile({
      directory,
      onFailure: ({ message }) => {
        display.printLine(`⚠ Some lines could not be written to convoy.log: ${message}`)
      },
    })
    for (const record of earlier) {
      this.#file.write(record)
      onLine(readableLine(record), record.timeMs / 1000)
    }
    const sinks = [this.#file.write, this.#show, this.#faults.observe]
    this.log = new Log({ levels: parseLogLevels(levels), sinks, now: Date.now })
    this.#event = eventLog(this.log)
    this.call = callLog(this.log.module('grpc'))
  }

  readonly observe: RunObserver = (event) => {
    this.#event(event)
    if (event.kind === 'step' || event.kind === 'evaluated') this.#faults.clear()
  }

  /** Logs the error that ended the run. @returns the error with the root cause first, for people */
  failed(error: ConvoyError): ConvoyError {
    this.#isShown = false
    const { faults } = this.#faults
    const stack = error.isExpected ? {} : { stack: error.stack }
    const message = this.#faults.describe(error.message)
    this.log.module('run').error(error.message, { code: error.code, faults, ...stack })
    const lines = faults.length === 0 ? error.lines : message.split('\n  ')
    return new ConvoyError(error.code, lines, { cause: error.cause ?? error })
  }

  /** Closes the file after all records are written. */
  async close(): Promise<void> {
    await this.#file.close()
  }

  /** Shows a record on the terminal; of workers only warnings and errors. */
  readonly #show = (record: LogRecord): void => {
    const { level, worker, fields, timeMs } = record
    if (!this.#isShown || (worker !== undefined && !isAtLeast(level, 'warn'))) return
    const text = readableLine(record)
    this.#display.printLine(text, isAtLeast(level, 'warn'))
    if (level !== 'debug' && fields?.['event'] === undefined) this.#onLine(text, timeMs / 1000)
  }
}
