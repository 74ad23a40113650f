import type { RunEvent } from '../../../training/run-events.js'
import type { DatasetInfo } from '../../../data/dataset.js'
import { isImages } from '../../../data/dataset.js'
import { describeSamples } from '../../../data/describe-dataset.js'
import type { RunIdentity } from '../../run-identity.js'
import { hyperparametersOf } from './hyperparameters.js'

/** What a run is, as a table in Markdown: its names, its data and its config. */
export function settingsText(
  { run, name, recipe, version }: RunIdentity,
  { config, dataset, splitSizes, totalSteps, parameterCount }: Extract<RunEvent, { kind: 'started' }>,
): string {
  const { train, validation, test } = splitSizes
  const { classNames, fingerprint } = dataset
  const rows: (readonly [string, string | number | boolean])[] = [
    ['run', run],
    ['name', name],
    ['recipe', recipe],
    ['Convoy', version],
    ['data set', dataset.name],
    samplesRow(dataset),
    ...(classNames.length > 0 ? ([['classes', classNames.join(', ')]] as const) : []),
    ['split', `${train} train, ${validation} validation, ${test} test`],
    ['data set fingerprint', fingerprint],
    ['parameters', parameterCount],
    ['planned steps', totalSteps],
    ...Object.entries(hyperparametersOf(config)),
  ]
  return table(['setting', 'value'], rows)
}

function samplesRow(dataset: DatasetInfo): [string, string] {
  if (!isImages(dataset)) return ['samples', describeSamples(dataset)]
  const { count, height, width, channels } = dataset
  return ['images', `${count} of ${width} x ${height} pixels (width x height), ${channels} channels`]
}

/** A table in Markdown. Names are escaped, so that no part of a name is read as Markdown. */
export function table(head: readonly string[], rows: readonly (readonly (string | number | boolean)[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows.map((row) => row.map((cell) => escaped(`${cell}`)))]
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replace(/[\\`*_{}[\]()#!|]/g, '\\$&')
    .replace(/\s+/g, ' ')
}
