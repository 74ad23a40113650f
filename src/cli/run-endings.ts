import path from 'node:path'
import { ConvoyError } from '../shared/errors.js'
import type { Supervised } from '../launch/supervision/supervised.js'
import type { Logger } from '../shared/log/log.js'
import { describeLoss, standardError, standardOutput } from '../shared/terminal.js'
import { onStopSignals } from './stop-signals.js'

/** Time from an uncaught fault to the end of the process, even if parts of the run hang. */
const MAX_END_MS = 60_000
/** Of the time after a signal: the process needs it to end. */
const LAST_CALL_MS = 2_000
/** Ctrl-C and Ctrl-\, pressed at the terminal. Other signals come from a supervisor of the run, which gets status 0. */
const INTERRUPTS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT']

/** Ends a run on signals and uncaught faults. Lost outputs are logged and do not end it. */
export class RunEndings {
  readonly #runDirectory: string
  readonly #graceMs: number
  readonly #supervised: Supervised | undefined
  readonly #end = new AbortController()
  #stoppedBy: NodeJS.Signals | undefined
  /** When the process is given up, in monotonic milliseconds. */
  #givenUpMs = Infinity
  #stopWatching: () => void = () => undefined

  /**
   * @param graceMs time from a stop signal to the end of the process, even if a disk or a peer hangs
   * @param supervised hears that the run ends
   */
  constructor(runDirectory: string, graceMs: number, supervised: Supervised | undefined) {
    this.#runDirectory = runDirectory
    this.#graceMs = graceMs
    this.#supervised = supervised
  }

  /** Aborts when the run has to end at once; its reason is a ConvoyError. */
  get signal(): AbortSignal {
    return this.#end.signal
  }

  /** How an incomplete run ended. interrupted: by Ctrl-C; stopped: by another signal. */
  get kind(): 'stopped' | 'interrupted' | 'failed' {
    if (this.#stoppedBy === undefined) return 'failed'
    return INTERRUPTS.includes(this.#stoppedBy) ? 'interrupted' : 'stopped'
  }

  /**
   * For what is done when all of the run is saved: aborts when a signal ends a run that was over without one, otherwise shortly before the time
   * after a signal is over.
   */
  lastCall(): AbortSignal {
    if (!this.#end.signal.aborted) return this.#end.signal
    const ms = this.#givenUpMs - performance.now() - LAST_CALL_MS
    return ms === Infinity ? new AbortController().signal : AbortSignal.timeout(Math.max(0, Math.floor(ms)))
  }

  /** Why it ended, for people. */
  reason(error: ConvoyError): string {
    return error.code === 'interrupted' ? (this.#stoppedBy ?? '') : error.message
  }

  /** Ends the run. */
  fail(error: ConvoyError): void {
    this.#supervised?.ending()
    this.#end.abort(error)
  }

  /** Handles signals, faults and lost outputs until {@link close}, and logs them. */
  watch({ error, warn, info }: Logger): void {
    const stop = (signal: NodeJS.Signals, cause: string = signal): void => {
      this.#stoppedBy = signal
      this.#givenUpMs = performance.now() + this.#graceMs
      info(`Stopping after ${cause}; the weights so far are saved. Send the signal again to stop at once.`)
      const how = this.kind === 'interrupted' ? 'Interrupted' : `Stopped by ${cause}`
      this.fail(new ConvoyError('interrupted', `${how}. What was done is in ${this.#runDirectory}.`))
      setTimeout(() => {
        error(
          `The run did not end within ${this.#graceMs / 1000} s of ${cause} (--grace). It is given up; --resume goes on with it.`,
        )
        process.exit(1)
      }, this.#graceMs).unref()
    }
    const restoreSignals = onStopSignals(
      stop,
      (signal) => {
        info(
          `${signal}: the terminal was closed, but this run does not write to a terminal. It continues; SIGTERM to process ${process.pid} stops it.`,
        )
      },
      this.#supervised,
    )
    if (this.#supervised)
      this.#supervised.onOrphaned = () => {
        if (!this.#end.signal.aborted) stop('SIGTERM', 'the end of its supervisor, the process of `convoy train`')
      }
    const onFault = (fault: unknown): void => {
      const cause = ConvoyError.from(fault)
      error(`Stopping after an uncaught fault: ${cause.message}`, { stack: cause.stack })
      this.fail(cause)
      setTimeout(() => process.exit(1), MAX_END_MS).unref()
    }
    process.on('uncaughtException', onFault)
    standardError.whenLost((loss) => {
      warn(`Standard error cannot be written: ${describeLoss(loss)}. The run continues and logs only to convoy.log.`)
    })
    standardOutput.whenLost((loss) => {
      const file = path.join(this.#runDirectory, 'result.json')
      warn(
        `Standard output cannot be written: ${describeLoss(loss)}. The run continues; its result will be in ${file}.`,
      )
      markUnprinted(loss)
    })
    this.#stopWatching = () => {
      restoreSignals()
      process.off('uncaughtException', onFault)
      standardError.whenLost(() => undefined)
      standardOutput.whenLost(markUnprinted)
    }
  }

  close(): void {
    this.#stopWatching()
  }
}

/** A result that could not be printed is a fault, unless the reader closed the pipe. */
function markUnprinted({ code }: NodeJS.ErrnoException): void {
  if (code !== 'EPIPE') process.exitCode = 1
}
