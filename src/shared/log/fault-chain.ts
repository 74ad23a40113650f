import type { LogModule } from './log-levels.js'
import { isAtLeast } from './log-levels.js'
import type { LogRecord } from './log.js'
import { printable } from './printable.js'

/** Faults within this time are sorted by their distance from the cause, not by time. */
const MOMENT_MS = 1_000
const MAX_FAULTS = 50
/** Consequences in the description. */
const MAX_REPORTED = 6

/** Modules, nearest to the cause first: the worker's own lines, the end of its process, then the observers. */
const NEARNESS: readonly LogModule[] = ['compute', 'worker', 'process', 'grpc', 'scheduler', 'run']

/**
 * Faults since the last completed step, with time and origin: a compute thread dies, so its worker exits, so shards are reissued, so the
 * run fails. The first fault is the cause.
 */
export class FaultChain {
  #faults: LogRecord[] = []

  /** Records warnings and errors, which may arrive late. */
  readonly observe = (record: LogRecord): void => {
    // Keep the earliest: the cause is among them.
    if (isAtLeast(record.level, 'warn') && this.#faults.length < MAX_FAULTS) this.#faults.push(record)
  }

  /** Forgets all faults after a completed step: later faults have another cause. */
  clear(): void {
    this.#faults = []
  }

  /** The root cause first, then what followed. */
  get faults(): readonly LogRecord[] {
    const sorted = this.#faults.toSorted((one, other) => one.timeMs - other.timeMs)
    const moment = sorted.filter(({ timeMs }) => timeMs - sorted[0]!.timeMs <= MOMENT_MS)
    const [root] = moment.toSorted((one, other) => NEARNESS.indexOf(one.module) - NEARNESS.indexOf(other.module))
    return root === undefined ? [] : [root, ...sorted.filter((fault) => fault !== root)]
  }

  /** The end of a run in lines: root cause, consequences, end. Repeated faults appear once, with their count. */
  describe(end: string): string {
    const times = new Map<string, { readonly line: string; count: number }>()
    for (const { timeMs, worker, message } of this.faults) {
      const what = `${worker === undefined ? '' : `${worker}: `}${message}`
      const known = times.get(what)
      if (known) known.count++
      else times.set(what, { line: `${new Date(timeMs).toISOString().slice(11, 23)} ${what}`, count: 1 })
    }
    const [root, ...consequences] = [...times.values()].map(({ line, count }) =>
      printable(count === 1 ? line : `${line} (${count} times)`),
    )
    if (root === undefined) return end
    const left = consequences.length - MAX_REPORTED
    const shown = left > 0 ? [...consequences.slice(0, MAX_REPORTED), `${left} more faults`] : consequences
    return [`First: ${root}`, ...[...shown, printable(end)].map((text) => `  then: ${text}`)].join('\n')
  }
}
