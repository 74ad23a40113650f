import type { Logger, LogRecord } from '../shared/log/log.js'
import { Log } from '../shared/log/log.js'
import { parseLogLevels } from '../shared/log/log-levels.js'
import { readableLine } from '../shared/log/readable-line.js'
import { standardError } from '../shared/terminal.js'

/** The log of a run before it has a directory: its records go to `convoy.log` later. */
export interface EarlyLog {
  readonly log: Logger
  readonly records: readonly LogRecord[]
}

/** @param levels as `--log-level` gives them */
export function createEarlyLog(levels: string): EarlyLog {
  const records: LogRecord[] = []
  const sinks = [
    (record: LogRecord) => standardError.printLine(readableLine(record)),
    (record: LogRecord) => records.push(record),
  ]
  return { log: new Log({ levels: parseLogLevels(levels), sinks, now: Date.now }).module('run'), records }
}
