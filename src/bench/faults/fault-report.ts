import { counted } from '../../shared/units.js'
import type { FailedContestant, FaultResult } from './fault-benchmark.js'

/** Markdown. */
export function faultReport(results: readonly (FaultResult | FailedContestant)[]): string {
  const measured = results.filter((result) => 'rounds' in result)
  const failed = results.filter((result) => 'failure' in result)
  return [
    '| contestant | undisturbed, s | with failures, s | ratio | beyond starts | kills survived | steps computed twice | samples left out or used twice | same weights |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |',
    ...measured.map(row),
    '',
    ...measured.flatMap(restartOf),
    ...failed.map(({ name, failure }) => `${name} has no figures: ${failure}`),
    '',
  ].join('\n')
}

function row(result: FaultResult): string {
  const cells = [
    result.name,
    result.undisturbedSeconds.toFixed(1),
    result.disturbedSeconds.toFixed(1),
    result.ratio.toFixed(2),
    result.ratioBeyondStarts.toFixed(2),
    `${result.workersKilled} + ${result.coordinatorsKilled}`,
    result.stepsTwice.toLocaleString('en'),
    result.samplesOff.toLocaleString('en'),
    result.sameWeights ? 'yes' : 'no',
  ]
  return `| ${cells.join(' | ')} |`
}

function restartOf({ name, rounds, restartSeconds }: FaultResult): string[] {
  if (restartSeconds === undefined) return []
  const all = rounds.flatMap(({ disturbed }) => disturbed.restartSeconds)
  const range = `${Math.min(...all).toFixed(1)} to ${Math.max(...all).toFixed(1)}`
  return [
    `${name}: from the death of the coordinator to the end of the first new step ${restartSeconds.toFixed(1)} s, the median of ${counted(all.length, 'restart')} (${range}).`,
  ]
}
