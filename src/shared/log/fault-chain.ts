import type { LogModule } from './log-levels.js'
import { isUrgent } from './log-levels.js'
import type { LogRecord } from './log.js'
import { printable } from './printable.js'

/** What happens within this time is one moment: who is nearer to the cause goes first, whoever was heard first. */
const MOMENT_MS = 1_000
const MAX_FAULTS = 50
/** Consequences that are told. */
const MAX_REPORTED = 6

/** Nearest to the cause first: what a worker says of itself, how its process ended, and then who noticed. */
const NEARNESS: readonly LogModule[] = ['compute', 'worker', 'process', 'grpc', 'scheduler', 'run']

/**
 * Faults that nothing came right after, with time and origin: a compute thread dies, so its worker exits, so shards are given out again,
 * so the run fails. The first of them is what people need to know.
 */
export class FaultChain {
  #faults: LogRecord[] = []

  /** Takes warnings and errors; they may come late. */
  readonly observe = (record: LogRecord): void => {
    // The earliest are kept: the cause is among them.
    if (isUrgent(record.level, 'warn') && this.#faults.length < MAX_FAULTS) this.#faults.push(record)
  }

  /** A step was done in spite of them all: what goes wrong from now on has another cause. */
  overcome(): void {
    this.#faults = []
  }

  /** The root cause first, then what followed. */
  get faults(): readonly LogRecord[] {
    const sorted = this.#faults.toSorted((one, other) => one.timeMs - other.timeMs)
    const moment = sorted.filter(({ timeMs }) => timeMs - sorted[0]!.timeMs <= MOMENT_MS)
    const [root] = moment.toSorted((one, other) => NEARNESS.indexOf(one.module) - NEARNESS.indexOf(other.module))
    return root === undefined ? [] : [root, ...sorted.filter((fault) => fault !== root)]
  }

  /** What ended a run, a line each: the root cause, what followed from it, and the end. What came again is told once. */
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
    const told = left > 0 ? [...consequences.slice(0, MAX_REPORTED), `${left} more faults`] : consequences
    return [`First: ${root}`, ...[...told, printable(end)].map((text) => `  then: ${text}`)].join('\n')
  }
}
