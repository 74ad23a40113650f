import type { Ancestor } from '../durability/checkpoint-manifest.js'
import { printable } from '../shared/log/printable.js'
import { Table } from '../shared/table.js'
import { counted, formatDuration, formatShare } from '../shared/units.js'
import { describeQuality } from '../training/describe-quality.js'
import type { EvaluationResult, RunResult } from '../training/run-events.js'

/** Largest number of classes whose confusion matrix fits a terminal. */
const MAX_CLASSES_SHOWN = 20
/** Of the names above the columns: where one is longer, letters stand for all. */
const MAX_COLUMN_CHARACTERS = 5
const LETTERS = 'abcdefghijklmnopqrst'

/** The table at the end of a run. Every number of a model names its weights. */
export function finalTable(result: RunResult & { readonly ancestor?: Ancestor | null }, runDirectory: string): string {
  const { ancestor } = result
  const { best, last } = result.weights
  const isSame = best.step === last.step
  const ofBest = `(${isSame ? 'best and last' : 'best'}, step ${best.step})`
  const ofLast = `(last, step ${last.step})`
  const { test } = result
  const quality = (measured: Pick<EvaluationResult, 'accuracy' | 'loss' | 'metrics'>): string =>
    describeQuality(measured).replace(/^accuracy /, '')
  const title = `validation${best.validation?.accuracy === undefined ? '' : ' accuracy'}`
  const summary = new Table()
  summary.push(
    ...testRows(test, ofBest),
    ...(best.validation ? [{ [title]: `${quality(best.validation)} ${ofBest}` }] : []),
    ...(isSame || !last.validation ? [] : [{ [title]: `${quality(last.validation)} ${ofLast}` }]),
    {
      steps: `${result.steps} (${counted(result.samplesSeen, 'sample')})${result.stoppedEarly ? ', stopped early' : ''}`,
    },
    { speed: `${result.samplesPerSecond.toFixed(0)} samples/s with ${counted(result.workers, 'worker')}` },
    { time: formatDuration(result.seconds) },
    ...(ancestor ? [{ 'began with': `${ancestor.run}, step ${ancestor.step}` }] : []),
    { 'weights sha256': `${best.sha256} ${ofBest}` },
    ...(isSame ? [] : [{ 'weights sha256': `${last.sha256} ${ofLast}` }]),
    { 'run directory': runDirectory },
  )
  const classes = test?.accuracy === undefined ? '' : `${classTable(test, result.classNames)}\n`
  return `${classes}${summary.toString()}\n`
}

function testRows(test: EvaluationResult | undefined, ofBest: string): Record<string, string>[] {
  if (test === undefined) return []
  if (test.accuracy === undefined) return [{ test: `${describeQuality(test)} ${ofBest}` }]
  return [
    { 'test accuracy': `${formatShare(test.accuracy)} ${ofBest}` },
    { 'test loss': `${test.loss.toFixed(4)} ${ofBest}` },
  ]
}

/** Per-class accuracy and confusion matrix: a row is a label, a column a prediction. */
export function classTable(
  { confusion, split }: Pick<EvaluationResult, 'confusion'> & { readonly split: string },
  classNames: readonly string[],
): string {
  const hasMatrix = classNames.length <= MAX_CLASSES_SHOWN
  const names = classNames.map(printable)
  const hasLetters = hasMatrix && names.some((name) => name.length > MAX_COLUMN_CHARACTERS)
  const rowNames = hasLetters ? names.map((name, label) => `${LETTERS[label]}  ${name}`) : names
  const columnNames = hasLetters ? LETTERS.slice(0, names.length).split('') : names
  const table = new Table({ head: [split, 'accuracy', ...(hasMatrix ? columnNames : [])], compact: true })
  confusion.forEach((row, label) => {
    const total = row.reduce((sum, count) => sum + count, 0)
    // A class without samples was not measured.
    const accuracy = total === 0 ? '–' : formatShare(row[label]! / total)
    table.push([rowNames[label]!, accuracy, ...(hasMatrix ? row : [])])
  })
  return table.toString()
}
