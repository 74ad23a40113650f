import path from 'node:path'
import { ConvoyError } from '../shared/errors.js'
import type { Logger } from '../shared/log/log.js'
import { describeLoss, standardError, standardOutput } from '../shared/terminal.js'
import { onStopSignals } from './stop-signals.js'

/** From a fault that nobody caught to the end of the process, however much of the run hangs by then. */
const MAX_END_MS = 60_000
/** Ctrl-C and Ctrl-\: somebody in front of the terminal. Whoever sends another signal supervises the run, and gets status 0. */
const INTERRUPTS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT']

/** What ends a run from outside: signals, faults that nobody caught. And what does not: outputs that nobody can read any more. */
export class RunEndings {
  readonly #runDirectory: string
  readonly #end = new AbortController()
  #stoppedBy: NodeJS.Signals | undefined
  #stopWatching: () => void = () => undefined

  constructor(runDirectory: string) {
    this.#runDirectory = runDirectory
  }

  /** Aborts when the run is to end at once; its reason is a ConvoyError. */
  get signal(): AbortSignal {
    return this.#end.signal
  }

  /** How a run that broke off ended. interrupted: by Ctrl-C; stopped: by another signal. */
  get kind(): 'stopped' | 'interrupted' | 'failed' {
    if (this.#stoppedBy === undefined) return 'failed'
    return INTERRUPTS.includes(this.#stoppedBy) ? 'interrupted' : 'stopped'
  }

  /** Why it ended, for people. */
  reason(error: ConvoyError): string {
    return error.code === 'interrupted' ? (this.#stoppedBy ?? '') : error.message
  }

  /** Ends the run. */
  fail(error: ConvoyError): void {
    this.#end.abort(error)
  }

  /** From now on until {@link close} the log says what ends the run, and which output is lost. */
  watch({ error, warn, info }: Logger): void {
    const restoreSignals = onStopSignals(
      (signal) => {
        this.#stoppedBy = signal
        info(`Stopping after ${signal}; the weights so far are saved. Once more to stop at once.`)
        const how = this.kind === 'interrupted' ? 'Interrupted' : `Stopped by ${signal}`
        this.fail(new ConvoyError('interrupted', `${how}. What was done is in ${this.#runDirectory}.`))
      },
      (signal) => {
        info(
          `${signal}: a terminal is gone, and this run writes to none. It goes on; SIGTERM to process ${process.pid} stops it.`,
        )
      },
    )
    const onFault = (fault: unknown): void => {
      const cause = ConvoyError.from(fault)
      error(`Stopping after a fault that nothing caught: ${cause.message}`, { stack: cause.stack })
      this.fail(cause)
      setTimeout(() => process.exit(1), MAX_END_MS).unref()
    }
    process.on('uncaughtException', onFault)
    standardError.whenLost((loss) => {
      warn(`Standard error cannot be written: ${describeLoss(loss)}. The run goes on, and logs to convoy.log only.`)
    })
    standardOutput.whenLost((loss) => {
      const file = path.join(this.#runDirectory, 'result.json')
      warn(`Standard output cannot be written: ${describeLoss(loss)}. The run goes on; its result will be in ${file}.`)
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

/** A result that was asked for and could not be printed is a fault, unless the reader chose to go. */
function markUnprinted({ code }: NodeJS.ErrnoException): void {
  if (code !== 'EPIPE') process.exitCode = 1
}
