import Table from 'cli-table3'
import { formatBytes } from '../../../src/shared/units.js'
import type { ChaosOutcome } from './chaos-run.js'
import { ALL_KINDS, FAULT_KINDS } from './fault-schedule.js'
import type { Footprint } from './footprint.js'

/** The outcome as text. */
export function chaosReport({ faults, steps, seconds, goodput, counts, growth, violations }: ChaosOutcome): string {
  const head = ['fault', 'times', 'worker left', 'noticed after, median', 'at most']
  const table = new Table({ head, style: { head: [], border: [], compact: true } })
  for (const kind of ALL_KINDS) {
    const ofKind = faults.filter(({ planned }) => planned.kind === kind)
    const times = ofKind.flatMap(({ detection }) => detection?.afterMs ?? []).sort((a, b) => a - b)
    if (ofKind.length === 0) continue
    const median = times[Math.floor(times.length / 2)]
    table.push([FAULT_KINDS[kind], ofKind.length, times.length, milliseconds(median), milliseconds(times.at(-1))])
  }
  const tally = Object.entries(counts).map(([kind, count]) => `${count} ${kind}`)
  return [
    table.toString(),
    `${faults.length} faults in ${seconds.toFixed(0)} s, ${steps} steps${goodput === undefined ? '' : `; goodput ${(100 * goodput).toFixed(0)} % of the fault-free run's`}`,
    tally.join(', '),
    ...(growth
      ? [`coordinator: ${footprint(growth.first)} in the first third, ${footprint(growth.last)} in the last`]
      : []),
    ...violations.map((violation) => `✖ ${violation}`),
    violations.length === 0 ? 'The same weights; every step once, in order.' : `${violations.length} violations`,
    '',
  ].join('\n')
}

function footprint({ residentBytes, descriptors }: Footprint): string {
  return `${formatBytes(residentBytes)} and ${descriptors} descriptors`
}

function milliseconds(time: number | undefined): string {
  return time === undefined ? '' : `${time.toFixed(0)} ms`
}
