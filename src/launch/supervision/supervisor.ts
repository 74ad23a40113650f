import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import path from 'node:path'
import { ConvoyError } from '../../shared/errors.js'
import { passOnFailure } from '../../shared/failure-message.js'
import type { Logger, LogRecord } from '../../shared/log/log.js'
import { Log } from '../../shared/log/log.js'
import { isAtLeast, parseLogLevels } from '../../shared/log/log-levels.js'
import { readableLine } from '../../shared/log/readable-line.js'
import { packageRoot } from '../../shared/package-root.js'
import { standardError } from '../../shared/terminal.js'
import type { OwnWorkers } from '../launcher.js'
import { launcherOf } from '../launchers.js'
import { MemoryWatch } from '../memory-watch.js'
import type { LaunchRequest, ToCoordinator, ToSupervisor } from './messages.js'
import { MAX_RESTARTS, RestartPolicy } from './restart-policy.js'

/** How often the coordinator hears how many workers are starting. */
const STARTING_MS = 500

export interface CoordinatorProcess {
  /** Of `convoy`. */
  readonly args: readonly string[]
  readonly environment: NodeJS.ProcessEnv
}

/** A process that goes on with the run in a directory. @throws Error when the directory cannot be read */
export type Resume = (runDirectory: string) => CoordinatorProcess

/** The end of a run that no coordinator can report any more. */
export interface GivenUpRun {
  readonly runDirectory: string
  readonly state: 'failed' | 'stopped'
  /** Why it failed. */
  readonly error?: string
}

/** Reports it. @param warn logs a line */
export type ReportGivenUp = (run: GivenUpRun, warn: (line: string) => void) => Promise<void>

/** How a coordinator ended, and what the supervisor ends with. */
interface ChildEnd {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
}

/**
 * Owns the processes of `convoy train`: its coordinator, which it restarts when it dies, and the workers, which outlive it.
 *
 *     supervisor ── coordinator (one after the other)
 *                └─ workers (join the coordinator, and the next one)
 */
export class Supervisor {
  readonly #first: CoordinatorProcess
  readonly #resume: Resume
  readonly #onAnnounced: (runDirectory: string) => void
  readonly #reportGivenUp: ReportGivenUp
  readonly #policy = new RestartPolicy()
  readonly #log: Logger
  readonly #workerLog: Log
  readonly #memory: MemoryWatch
  /** Signals received, by kind. */
  readonly #signals = new Map<NodeJS.Signals, number>()
  #coordinator: ChildProcess | undefined
  #request: LaunchRequest | undefined
  /** When the present coordinator asked for its workers; undefined: it has not yet. */
  #servingSinceMs: number | undefined
  /** How long the last coordinator that died had served, in milliseconds. */
  #servedMs = 0
  #isEnding = false
  #restarts = 0
  #workers: OwnWorkers | undefined
  #noneLeft: string | undefined
  /** Records that were shown, and that no coordinator has received. */
  #shown: LogRecord[] = []
  /** Records that wait for a coordinator that starts. */
  #waiting: LogRecord[] = []
  #wakeUp: () => void = () => undefined

  /**
   * @param onAnnounced called with the run directory when the first coordinator listens
   * @param reportGivenUp awaited when a run that has begun ends without a coordinator
   */
  constructor(
    first: CoordinatorProcess,
    resume: Resume,
    onAnnounced: (runDirectory: string) => void,
    reportGivenUp: ReportGivenUp,
  ) {
    this.#first = first
    this.#resume = resume
    this.#onAnnounced = onAnnounced
    this.#reportGivenUp = reportGivenUp
    this.#workerLog = new Log({ levels: parseLogLevels('debug'), sinks: [this.#writeRecord], now: Date.now })
    this.#log = this.#workerLog.module('process')
    this.#memory = new MemoryWatch(() => (this.#coordinator?.pid === undefined ? [] : [this.#coordinator.pid]))
  }

  /** Passes a signal on to the coordinator. It may have received that itself, as all processes of a terminal do: it counts. */
  signal(signal: NodeJS.Signals): void {
    const count = (this.#signals.get(signal) ?? 0) + 1
    this.#signals.set(signal, count)
    if (this.#coordinator === undefined) this.#isEnding = true
    this.#send({ kind: 'signal', signal, count })
    this.#wakeUp()
  }

  /** Runs coordinators until the run is over. @returns the exit status of the last one; 1 when it died and is not restarted */
  async run(): Promise<number> {
    const reporting = setInterval(() => {
      this.#reportStarting()
    }, STARTING_MS).unref()
    try {
      let next = this.#first
      for (;;) {
        const end = await this.#runCoordinator(next)
        if (end.signal === null) {
          // One that has served reports the end itself.
          if (this.#servedMs === 0) await this.#giveUp('The coordinator could not be started again.')
          return end.status ?? 1
        }
        const waitMs = this.#restartAfterMs(end)
        if (typeof waitMs !== 'number') {
          await this.#giveUp(waitMs.error)
          return 1
        }
        await this.#wait(waitMs)
        if (this.#isEnding) {
          await this.#giveUp()
          return this.#isInterrupted ? 130 : 1
        }
        this.#restarts++
        next = this.#resume(this.#request!.runDirectory)
      }
    } finally {
      clearInterval(reporting)
      this.#memory.close()
    }
  }

  get #isInterrupted(): boolean {
    return this.#signals.has('SIGINT') || this.#signals.has('SIGQUIT')
  }

  async #runCoordinator({ args, environment }: CoordinatorProcess): Promise<ChildEnd> {
    const program = path.join(packageRoot, 'bin', 'convoy.mjs')
    const child = spawn(process.execPath, [...process.execArgv, program, ...args], {
      env: environment,
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    })
    this.#coordinator = child
    child.on('message', (message) => {
      this.#receive(message as ToSupervisor)
    })
    this.#send({ kind: 'hello', restarts: this.#restarts, records: this.#shown })
    this.#shown = []
    const end = await new Promise<ChildEnd>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (status, signal) => {
        resolve({ status, signal })
      })
    })
    this.#servedMs = this.#servingSinceMs === undefined ? 0 : performance.now() - this.#servingSinceMs
    this.#servingSinceMs = undefined
    this.#coordinator = undefined
    this.#writeWaiting()
    return end
  }

  #receive(message: ToSupervisor): void {
    switch (message.kind) {
      case 'launch': {
        if (this.#request === undefined) this.#onAnnounced(message.request.runDirectory)
        this.#request = message.request
        this.#servingSinceMs = performance.now()
        this.#writeWaiting()
        this.#workers ??= this.#launch(message.request)
        if (this.#workers === undefined) return
        this.#send({ kind: 'launched' })
        if (this.#noneLeft !== undefined) this.#send({ kind: 'none-left', why: this.#noneLeft })
        this.#reportStarting()
        return
      }
      case 'ending': {
        this.#isEnding = true
        return
      }
      case 'close': {
        void this.#workers?.close().then(() => {
          this.#send({ kind: 'closed' })
        })
        return
      }
      case 'failed':
        passOnFailure(message)
    }
  }

  /** @returns undefined when the workers cannot be started, which the coordinator reports and ends with */
  #launch({ launcher, ...place }: LaunchRequest): OwnWorkers | undefined {
    try {
      return launcherOf(launcher).launch({
        ...place,
        log: this.#workerLog,
        coordinatorPid: () => this.#coordinator?.pid,
        onNoneLeft: (why) => {
          this.#noneLeft = why
          this.#send({ kind: 'none-left', why })
        },
      })
    } catch (thrown) {
      const { code, message } = ConvoyError.from(thrown)
      this.#send({ kind: 'launched', error: { code, message } })
      return undefined
    }
  }

  /** @param error why it failed, unless a signal stopped it */
  async #giveUp(error?: string): Promise<void> {
    if (this.#request === undefined) return
    const { runDirectory } = this.#request
    const isStopped = error === undefined || this.#signals.size > 0
    const how = isStopped ? { state: 'stopped' as const } : { state: 'failed' as const, error }
    await this.#reportGivenUp({ runDirectory, ...how }, this.#log.warn)
  }

  /** Logs what becomes of the run. @returns milliseconds until the restart, or why there is none */
  #restartAfterMs(end: ChildEnd): number | { readonly error: string } {
    const memory = this.#memory.explain({ ...end, output: '' })
    const how = `The coordinator was ended by ${end.signal}${memory ? ` (${memory.cause})` : ''}`
    const failed = (error: string): { readonly error: string } => {
      this.#log.error(error)
      return { error }
    }
    if (this.#request === undefined) return failed(`${how} before the run began.`)
    if (this.#isEnding) return failed(`${how} while the run was ending. --resume goes on with it.`)
    const waitMs = this.#policy.next(this.#servedMs)
    if (waitMs === undefined)
      return failed(
        `${how} after ${MAX_RESTARTS} restarts in a row, and is not restarted. --resume goes on with the run.`,
      )
    this.#log.warn(
      `${how}; restarting it${waitMs === 0 ? '' : ` in ${waitMs / 1000} s`}. The run goes on where it was.`,
    )
    return waitMs
  }

  async #wait(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wakeUp = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #reportStarting(): void {
    if (this.#workers !== undefined) this.#send({ kind: 'starting', count: this.#workers.starting() })
  }

  /**
   * Writes a record by the coordinator, which owns the log and the terminal. While that starts, the record waits. Without one, it goes to the
   * terminal now, and to the log with the next coordinator.
   */
  readonly #writeRecord = (record: LogRecord): void => {
    if (this.#servingSinceMs !== undefined) this.#send({ kind: 'log', record })
    else if (this.#coordinator !== undefined) this.#waiting.push(record)
    else {
      standardError.printLineOver(readableLine(record), isAtLeast(record.level, 'warn'))
      this.#shown.push(record)
    }
  }

  /** Writes the records that waited for a coordinator that serves now, or has died. */
  #writeWaiting(): void {
    const records = this.#waiting
    this.#waiting = []
    for (const record of records) this.#writeRecord(record)
  }

  /** A coordinator that just ended gets nothing more. */
  #send(message: ToCoordinator): void {
    if (this.#coordinator?.connected) this.#coordinator.send(message, () => undefined)
  }
}
