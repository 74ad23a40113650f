import Table from 'cli-table3'
import { formatDuration, formatShare } from '../../shared/units.js'
import type { EvaluationResult, RunResult } from '../run-events.js'

/** Largest number of classes whose confusion matrix fits a terminal. */
const MOST_CLASSES_SHOWN = 20

/** What people read at the end of a run. */
export function finalTable(result: RunResult, runDirectory: string): string {
  const { best, last } = result.weights
  const ofBest = `(best, step ${best.step})`
  const summary = new Table({ style: { head: [], border: [] } })
  summary.push(
    { 'test accuracy': `${formatShare(result.test.accuracy)} ${ofBest}` },
    { 'test loss': `${result.test.loss.toFixed(4)} ${ofBest}` },
    ...Object.entries(result.weights).map(
      ([
        name,
        {
          step,
          validation: { accuracy, loss },
        },
      ]) => ({
        'validation accuracy': `${formatShare(accuracy)}, loss ${loss.toFixed(4)} (${name}, step ${step})`,
      }),
    ),
    { steps: `${result.steps} (${result.samplesSeen.toLocaleString('en')} samples)` },
    { speed: `${result.samplesPerSecond.toFixed(0)} images/s with ${result.workers} workers` },
    { time: formatDuration(result.seconds) },
    { 'weights sha256': `${best.sha256} ${ofBest}` },
    { 'weights sha256': `${last.sha256} (last, step ${last.step})` },
    { 'run directory': runDirectory },
  )
  return `${classTable(result.test, result.classNames)}\n${summary.toString()}\n`
}

/** Per-class accuracy and confusion matrix: a row a label, a column a prediction. */
export function classTable(
  { confusion, split }: Pick<EvaluationResult, 'confusion' | 'split'>,
  classNames: readonly string[],
): string {
  const shown = classNames.length <= MOST_CLASSES_SHOWN
  const short = classNames.map((name) => name.slice(0, 5))
  const table = new Table({
    head: [split, 'accuracy', ...(shown ? short : [])],
    style: { head: [], border: [], compact: true },
  })
  confusion.forEach((row, label) => {
    const total = row.reduce((sum, count) => sum + count, 0)
    table.push([classNames[label], formatShare(total === 0 ? 0 : row[label]! / total), ...(shown ? row : [])])
  })
  return table.toString()
}
