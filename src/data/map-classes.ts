import { ConvoyError } from '../shared/errors.js'
import { listed } from '../shared/log/listed.js'
import type { Dataset } from './dataset.js'

/**
 * Maps the labels of a data set to those of a model, by class names in any order. Names that differ only in Unicode normalisation are
 * equal. The data set may lack classes of the model.
 * @param source of the data set as the user gave it; begins the messages
 * @returns the data set with the model's class names, and labels that index them
 * @throws ConvoyError('usage') for classes unknown to the model and for names of two classes
 */
export function mapClasses<Data extends Dataset>(dataset: Data, modelClasses: readonly string[], source: string): Data {
  const labelOf = indexOf(modelClasses, `${source}: the model`)
  indexOf(dataset.classNames, `${source}: the data set`)
  const labels = dataset.classNames.map((name) => labelOf.get(sameName(name)))
  const unknown = dataset.classNames.filter((_, index) => labels[index] === undefined)
  if (unknown.length > 0) {
    const isOne = unknown.length === 1
    throw new ConvoyError(
      'usage',
      `${source}: the model does not know ${isOne ? 'the class' : `${unknown.length} of the classes:`} ` +
        `${listed(unknown.map((name) => withGuess(name, modelClasses)))}. Its classes are ${listed(modelClasses)}. ` +
        'Give the class directories its names, or train a model on this data set.',
    )
  }
  return {
    ...dataset,
    classNames: modelClasses,
    labels: Uint16Array.from(dataset.labels, (label) => labels[label]!),
  }
}

/** Classes without a sample among these, in the order of labels. */
export function classesWithout(
  { classNames, labels }: Pick<Dataset, 'classNames' | 'labels'>,
  samples: Uint32Array,
): string[] {
  const seen = new Set(Array.from(samples, (sample) => labels[sample]!))
  return classNames.filter((_, label) => !seen.has(label))
}

/** A file system may return a name in another normalisation than it was given. */
function sameName(name: string): string {
  return name.normalize('NFC')
}

function indexOf(classNames: readonly string[], whose: string): Map<string, number> {
  const labelOf = new Map<string, number>()
  for (const [label, name] of classNames.entries()) {
    const other = labelOf.get(sameName(name))
    if (other !== undefined) {
      throw new ConvoyError(
        'usage',
        `${whose} has two classes ${JSON.stringify(sameName(name))} (numbers ${other} and ${label}), so that labels cannot be ` +
          'matched by name. Rename one of them and import the data set again.',
      )
    }
    labelOf.set(sameName(name), label)
  }
  return labelOf
}

/** Adds a suggestion that differs only in case. Names are compared exactly: `Polish` and `polish` may be two classes. */
function withGuess(name: string, modelClasses: readonly string[]): string {
  const guess = modelClasses.find((candidate) => roughly(candidate) === roughly(name))
  return guess === undefined ? name : `${name} (did you mean ${JSON.stringify(guess)}?)`
}

function roughly(name: string): string {
  return name
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\s_-]+/g, '')
}
