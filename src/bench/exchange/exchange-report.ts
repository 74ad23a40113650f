import { counted, formatShare } from '../../shared/units.js'
import { median } from '../engine-benchmark.js'
import { withRange } from '../with-range.js'
import type { ExchangeResult, ExchangeRow } from './exchange-benchmark.js'
import type { Timeline } from './timeline.js'
import { SECTIONS } from './timeline.js'

/** What the columns of the timeline are called. */
const HEADINGS: Readonly<Record<keyof Timeline, string>> = {
  ...{ lease: 'lease to worker', weights: 'weights', compute: 'compute', sum: 'sum and delivery' },
  ...{ result: 'result to coordinator', read: 'read', reduce: 'check and reduce', apply: 'apply', publish: 'publish' },
  step: 'whole step',
}
const BASELINES = { gloo: 'gloo', tcp: 'TCP', copy: 'copy' } as const

/** For each size, a Markdown table of the rates, one of the timelines, and what the same bytes take otherwise. */
export function exchangeReport(results: readonly ExchangeResult[]): string {
  return results
    .map((result) => [heading(result), rates(result.rows), timelines(result.rows), baselines(result)].join('\n\n'))
    .join('\n\n')
    .concat('\n')
}

function heading({ megabytes, weights }: ExchangeResult): string {
  return `### ${megabytes} MB (${weights.toLocaleString('en')} weights)`
}

function rates(rows: readonly ExchangeRow[]): string {
  const kinds = (['gloo', 'tcp', 'copy'] as const).filter((kind) => rows.some(({ ratios }) => kind in ratios))
  const compared = kinds.map((kind) => `step / ${BASELINES[kind]}`)
  const columns = ['steps/s', 'ms per step', 'upload ms', 'all took part', ...compared, 'MB at most', 'MB at the end']
  return table(columns, rows, ({ stepsPerSecond, uploadMs, allTookPart, ratios, memory }) => [
    withRange(stepsPerSecond, 1),
    (1000 / median(stepsPerSecond)).toFixed(2),
    uploadMs?.toFixed(2) ?? '-',
    formatShare(allTookPart),
    ...kinds.map((kind) => ratios[kind]?.toFixed(2) ?? '-'),
    megabytes(memory.peakBytes - memory.emptyBytes),
    megabytes(memory.lastBytes - memory.emptyBytes),
  ])
}

function timelines(rows: readonly ExchangeRow[]): string {
  const columns = [...SECTIONS, 'step' as const]
  return table(
    columns.map((section) => HEADINGS[section]),
    rows,
    ({ timeline }) => columns.map((section) => timeline?.[section].toFixed(2) ?? '-'),
  )
}

function table(
  columns: readonly string[],
  rows: readonly ExchangeRow[],
  cells: (row: ExchangeRow) => readonly string[],
): string {
  return [
    `| workers | path | wire | ${columns.join(' | ')} |`,
    `| ---: | --- | --- | ${columns.map(() => '---:').join(' | ')} |`,
    ...rows.map((row) => `| ${row.workers} | ${pathOf(row)} | ${row.wire} | ${cells(row).join(' | ')} |`),
  ].join('\n')
}

function pathOf({ path, delayMs, relays }: ExchangeRow): string {
  return [path, ...(delayMs > 0 ? [`${delayMs} ms`] : []), ...(relays > 0 ? [counted(relays, 'relay')] : [])].join(', ')
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0)
}

function baselines({ baselines: all }: ExchangeResult): string {
  const times = all.map(
    ({ name, perSecond }) =>
      `${name} ${withRange(
        perSecond.map((rate) => 1000 / rate),
        2,
      )} ms`,
  )
  return `The same bytes: ${times.join('; ')}.`
}
