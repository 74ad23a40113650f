import { counted } from '../../shared/units.js'
import type { FitResult, FitTurn } from './fit-result.js'
import { speedup } from './fit-result.js'
import { withRange } from '../with-range.js'
import type { ProgramName } from './programs.js'
import { FIT_PROGRAMS } from './programs.js'

export interface ProgramResults {
  readonly program: ProgramName
  readonly samples: number
  readonly epochs: number
  /** Convoy's first. */
  readonly results: readonly FitResult[]
}

/** One Markdown table for each program: medians of the turns, each of which begins with other weights, and their range. */
export function fitReport(all: readonly ProgramResults[]): string {
  return all.map((one) => `${heading(one)}\n\n${table(one)}\n\n${summary(one.results)}\n`).join('\n')
}

function heading({ program, samples, epochs }: ProgramResults): string {
  const { description, batchSize } = FIT_PROGRAMS[program]
  const counts = `${counted(samples, 'sample')}, batch ${batchSize}, epochs: ${epochs}`
  return `### ${program}: ${description} (${counts})`
}

function table({ program, results }: ProgramResults): string {
  const measure = FIT_PROGRAMS[program].classes > 0 ? 'accuracy' : 'mean absolute error'
  const rows = results.map(({ name, turns }) => {
    const shown = (digits: number, of: (turn: FitTurn) => number): string => withRange(turns.map(of), digits)
    const cells = [
      shown(1, ({ seconds }) => seconds),
      shown(1, ({ firstEpochSeconds }) => firstEpochSeconds),
      shown(0, ({ samplesPerSecond }) => samplesPerSecond),
      shown(4, ({ loss }) => loss),
      shown(3, ({ measure }) => measure),
    ]
    return `| ${name} | ${cells.join(' | ')} |`
  })
  return [
    `| contestant | seconds in all | to the end of epoch 1 | samples/s after it | last loss | last ${measure} |`,
    '| --- | ---: | ---: | ---: | ---: | ---: |',
    ...rows,
  ].join('\n')
}

function summary(results: readonly FitResult[]): string {
  const [ours, ...others] = results as [FitResult, ...FitResult[]]
  return others
    .map(
      (other) =>
        `${ours.name} against ${other.name}, in all, round by round: ${speedup(ours, other).toFixed(2)} times.`,
    )
    .join('\n')
}
