import { isExpectedRejection } from '../../shared/rejection.js'
import type { LogLevel, LogModule } from '../../shared/log/log-levels.js'
import type { Log, Logger } from '../../shared/log/log.js'
import type { RunEvent, RunObserver } from '../../training/run-events.js'
import { LEFT_ON_REQUEST } from '../../training/run-events.js'
import { describeEvent } from './describe-event.js'

/** Writes a run's events to its log: those that have a description. */
export function eventLog(log: Log): RunObserver {
  const modules: Readonly<Record<'run' | 'scheduler', Logger>> = {
    run: log.module('run'),
    scheduler: log.module('scheduler'),
  }
  return (event) => {
    const message = describeEvent(event)
    if (message !== undefined) modules[moduleOf(event)][levelOf(event)](message, { event })
  }
}

const OF_RUN: readonly RunEvent['kind'][] = ['started', 'resumed', 'paused', 'continued', 'evaluated']

function moduleOf({ kind }: RunEvent): Extract<LogModule, 'run' | 'scheduler'> {
  return OF_RUN.includes(kind) ? 'run' : 'scheduler'
}

/** The log level of an event. */
export function levelOf(event: RunEvent): LogLevel {
  switch (event.kind) {
    case 'worker-left':
      return event.reason === LEFT_ON_REQUEST ? 'info' : 'warn'
    case 'refused':
      return isExpectedRejection(event.code) ? 'debug' : 'warn'
    // Ordinary whenever a worker is slow for a moment: metrics count them.
    case 'rescued':
      return 'debug'
    case 'waiting':
      return event.starting === undefined ? 'warn' : 'info'
    case 'reissued':
    case 'quarantined':
      return 'warn'
    case 'audited':
      return event.outcome === 'unverified' ? 'info' : 'warn'
    default:
      return 'info'
  }
}
