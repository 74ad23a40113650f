import Table from 'cli-table3'
import { counted, formatDuration, formatShare } from '../../shared/units.js'
import type { EvaluationResult, RunResult } from '../run-events.js'

/** Largest number of classes whose confusion matrix fits a terminal. */
const MOST_CLASSES_SHOWN = 20

/** What people read at the end of a run. */
export function finalTable(result: RunResult, runDirectory: string): string {
  const summary = new Table({ style: { head: [], border: [] } })
  summary.push(
    { 'test accuracy': formatShare(result.test.accuracy) },
    { 'test loss': result.test.loss.toFixed(4) },
    { 'validation accuracy': `${formatShare(result.validation.accuracy)} (best, after step ${result.bestStep})` },
    { steps: `${result.steps} (${counted(result.samplesSeen, 'sample')})` },
    { speed: `${result.samplesPerSecond.toFixed(0)} images/s with ${counted(result.workers, 'worker')}` },
    { time: formatDuration(result.seconds) },
    { 'weights sha256': result.weightsSha256 },
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
