import { listed } from '../shared/log/listed.js'
import { printable } from '../shared/log/printable.js'
import { counted } from '../shared/units.js'
import type { Dataset } from './dataset.js'
import type { LeftOut } from './formats/left-out.js'
import { describeLeftOut } from './formats/left-out.js'

/** What an import made of a folder or an archive. */
export interface ImportSummary {
  /** Number and shape, for people. */
  readonly samples: string
  readonly classes: readonly { readonly name: string; readonly samples: number }[]
  readonly leftOut: readonly LeftOut[]
  /** Decisions made during the import, for people. */
  readonly notes: readonly string[]
}

/** Samples of each class. */
export function countClasses({ classNames, labels }: Pick<Dataset, 'classNames' | 'labels'>): ImportSummary['classes'] {
  const counts = new Array<number>(classNames.length).fill(0)
  for (const label of labels) counts[label]!++
  return classNames.map((name, label) => ({ name, samples: counts[label]! }))
}

/** The classes with their counts, the decisions and the left out files: a line each. */
export function describeSummary(source: string, { samples, classes, leftOut, notes }: ImportSummary): string {
  const counts = classes.map(({ name, samples }) => `${name} (${samples})`)
  const ofClasses = counts.length === 0 ? '' : `, ${counted(counts.length, 'class', 'classes')}: ${listed(counts)}`
  const first = `${source}: ${samples}${ofClasses}`
  return [first, ...notes, ...describeLeftOut(leftOut)].map((line) => printable(line)).join('\n')
}

/** ` (in size 8x8, with class level 1)`, or an empty text. */
export function describeWays(ways: {
  readonly size?: { readonly height: number; readonly width: number } | undefined
  readonly classLevel?: number | undefined
  readonly skipBroken?: boolean | undefined
  readonly targets?: readonly string[] | undefined
  readonly classTarget?: boolean | undefined
  readonly weights?: string | undefined
}): string {
  const words = [
    ways.size === undefined ? '' : `in size ${ways.size.height}x${ways.size.width}`,
    ways.classLevel === undefined ? '' : `with class level ${ways.classLevel}`,
    ways.skipBroken ? 'without broken images' : '',
    ways.targets === undefined ? '' : `with target ${ways.targets.join(' and ')}`,
    ways.classTarget ? 'as classes' : '',
    ways.weights === undefined ? '' : `with sample weights ${ways.weights}`,
  ].filter(Boolean)
  return words.length === 0 ? '' : ` (${words.join(', ')})`
}
