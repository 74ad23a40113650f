import type { Log } from '../shared/log/log.js'
import { LOG_LEVELS, LOG_MODULES } from '../shared/log/log-levels.js'
import { RateLimit } from '../shared/log/rate-limit.js'
import type { LogLevel } from '../shared/log/log-levels.js'
import { ConvoyError } from '../shared/errors.js'
import type { LogLineMessage, LogLines } from '../shared/protocol/messages.js'
import { MAX_LOG_LINE_LENGTH, MAX_LOG_LINES } from '../shared/protocol/messages.js'
import { counted } from '../shared/units.js'
import type { WorkerIdentity } from '../training/run-events.js'

/** Limits for one worker, and for all together, so that many workers cannot fill disk or terminal either. */
const WORKER_BURST = 64
const WORKER_PER_SECOND = 4
const ALL_BURST = 512
const ALL_PER_SECOND = 64
/** Lines are sent with heartbeats. Older ones waited for a coordinator that did not answer. */
const MAX_SECONDS_AGO = 3_600

/** Writes log lines of workers to the coordinator's log, with their names, up to a rate. */
export class WorkerLogs {
  /** Least urgent level that workers send. */
  readonly level: LogLevel
  readonly #log: Log
  readonly #now: () => number
  readonly #all = new RateLimit(ALL_BURST, ALL_PER_SECOND)
  readonly #limits = new WeakMap<WorkerIdentity, { readonly rate: RateLimit; leftOut: number }>()

  /** @param now milliseconds since 1970 */
  constructor(log: Log, level: LogLevel, now: () => number) {
    this.#log = log
    this.level = level
    this.#now = now
  }

  /** Writes lines that a worker sent. @throws ConvoyError('protocol') for invalid lines */
  receive(worker: WorkerIdentity, { lines, leftOut }: LogLines): void {
    if (lines.length > MAX_LOG_LINES) throw invalid('too many lines')
    const records = lines.map((line) => this.#read(worker, line))
    const limit = this.#limits.get(worker) ?? { rate: new RateLimit(WORKER_BURST, WORKER_PER_SECOND), leftOut: 0 }
    this.#limits.set(worker, limit)
    limit.leftOut += leftOut
    for (const record of records) {
      const nowMs = this.#now()
      if (!limit.rate.take(nowMs) || !this.#all.take(nowMs)) {
        limit.leftOut++
        continue
      }
      if (limit.leftOut > 0) {
        const message = `${counted(limit.leftOut, 'line')} of it ${limit.leftOut === 1 ? 'was' : 'were'} left out: too many at once.`
        this.#log.write({ timeMs: nowMs, level: 'info', module: 'worker', worker: worker.name, message })
        limit.leftOut = 0
      }
      this.#log.write(record)
    }
  }

  #read({ name }: WorkerIdentity, line: LogLineMessage) {
    const level = LOG_LEVELS.find((known) => known === line.level)
    const module = LOG_MODULES.find((known) => known === line.module)
    if (level === undefined || module === undefined) throw invalid('an unknown level or module')
    if (line.message.length > MAX_LOG_LINE_LENGTH) throw invalid('a line that is too long')
    if (!(line.secondsAgo >= 0)) throw invalid('an invalid time')
    const timeMs = this.#now() - 1000 * Math.min(MAX_SECONDS_AGO, line.secondsAgo)
    return { timeMs, level, module, worker: name, message: line.message }
  }
}

function invalid(part: string): ConvoyError {
  return new ConvoyError('protocol', `Log lines of a worker hold ${part}.`)
}
