import { Table } from '../../../src/shared/table.js'
import { counted, formatDuration } from '../../../src/shared/units.js'
import type { HostileOutcome } from './hostile-run.js'
import { mebibytes } from './process-usage.js'

/** The outcome as text. */
export function hostileReport(outcome: HostileOutcome, violations: readonly string[]): string {
  const { joins, attackSeconds, rounds, keptRate, load, usage } = outcome
  const kinds = new Table({ head: ['hostile join', 'times'], compact: true })
  for (const [kind, times] of Object.entries(joins)) kinds.push([kind, times])
  const rates = new Table({ head: ['round', 'steps/s before', 'during', 'after'], compact: true })
  for (const [index, { before, during, after }] of rounds.entries())
    rates.push([index + 1, before.toFixed(1), during.toFixed(1), after.toFixed(1)])
  const total = Object.values(joins).reduce((sum, times) => sum + times, 0)
  return [
    kinds.toString(),
    rates.toString(),
    `${counted(total, 'hostile join')} in ${formatDuration(attackSeconds)}: the honest workers kept ${(100 * keptRate).toFixed(0)} % of their rate (median of the rounds)`,
    `processor time: ${load.attacker.toFixed(2)} cores by the attacker, ${load.coordinator.toFixed(2)} by the coordinator`,
    `coordinator: ${mebibytes(usage.before.bytes)} before, ${mebibytes(usage.peak.bytes)} at most, ${mebibytes(usage.after.bytes)} after; ` +
      `${usage.before.descriptors}, ${usage.peak.descriptors} and ${usage.after.descriptors} descriptors`,
    ...violations.map((violation) => `✖ ${violation}`),
    violations.length === 0 ? 'The same weights; no honest worker was lost.' : counted(violations.length, 'violation'),
    '',
  ].join('\n')
}
