import type { Dataset, DatasetInfo, Split } from '../../data/dataset.js'
import { isImages, SPLIT_NAMES } from '../../data/dataset.js'
import { classesWithout } from '../../data/map-classes.js'
import { splitDataset } from '../../data/sampling/split.js'
import { listed } from '../../shared/log/listed.js'
import { counted, formatShare } from '../../shared/units.js'
import type { RunConfig } from './run-config.js'

/** With fewer images, each one changes an accuracy by a percentage point or more. */
const MIN_MEASURED_SAMPLES = 100

const TITLES = { train: 'training', validation: 'validation', test: 'test' }

const CONSEQUENCES = {
  train: ', which the model cannot learn',
  validation: '',
  test: ', which the test does not measure',
}

type WarningConfig = Pick<
  RunConfig,
  'batchSize' | 'shardSize' | 'seed' | 'stratified' | 'validationSamples' | 'plateau'
>

/**
 * Warnings about the reliability of a run's numbers: small splits, classes missing from a split, a batch larger than the training split; and
 * a plateau that nothing decides. The run is exact all the same.
 * @returns a line each, with the remedy
 */
export function runWarnings(dataset: Dataset, split: Split, config: WarningConfig): string[] {
  return [
    ...batchWarnings(split.train.length, config, dataset),
    ...smallSplits(split, dataset),
    ...missingClasses(dataset, split, config),
    ...plateauWarnings(split.validation.length, config),
  ]
}

function plateauWarnings(validationCount: number, { plateau }: WarningConfig): string[] {
  if (plateau === undefined || validationCount > 0) return []
  return [
    'plateau is set, but nothing is validated: it never reduces the learning rate. Leave it out, or give validationSamples a number above 0.',
  ]
}

/** @returns undefined when they are enough */
export function smallSampleWarning(count: number, dataset: DatasetInfo): string | undefined {
  if (count >= MIN_MEASURED_SAMPLES) return undefined
  if (dataset.classNames.length === 0)
    return `each sample weighs much; ${MIN_MEASURED_SAMPLES} or more make steady numbers.`
  return `one ${unitOf(dataset)} moves the accuracy by ${formatShare(1 / count)}; ${MIN_MEASURED_SAMPLES} or more make a steady number.`
}

function batchWarnings(trainCount: number, { batchSize, shardSize }: WarningConfig, dataset: DatasetInfo): string[] {
  if (batchSize <= trainCount) return []
  const epochs = Number((batchSize / trainCount).toFixed(1))
  const shard = Math.min(shardSize, trainCount)
  const batch = Math.floor(trainCount / shard) * shard
  const flags = [`--batch-size ${batch}`, ...(shard < shardSize ? [`--shard-size ${shard}`] : [])].join(' ')
  return [
    `A batch of ${batchSize} is more than the ${counted(trainCount, unitOf(dataset))} of the training split: every step is ${counted(epochs, 'epoch')}` +
      (shardSize > trainCount ? `, and a shard of ${shardSize} holds ${unitOf(dataset)}s more than once` : '') +
      `. Use ${flags} or less.`,
  ]
}

function unitOf(dataset: DatasetInfo): 'image' | 'sample' {
  return isImages(dataset) ? 'image' : 'sample'
}

function smallSplits(split: Split, dataset: DatasetInfo): string[] {
  const small = (['validation', 'test'] as const).filter(
    (name) => split[name].length > 0 && split[name].length < MIN_MEASURED_SAMPLES,
  )
  if (small.length === 0) return []
  const purpose = { validation: 'which chooses the best weights', test: 'which measures them' }
  const parts = small.map(
    (name) => `${counted(split[name].length, unitOf(dataset))} in the ${name} split, ${purpose[name]}`,
  )
  const fewest = Math.min(...small.map((name) => split[name].length))
  return [`Only ${parts.join(', and ')}: ${smallSampleWarning(fewest, dataset)!}`]
}

function missingClasses(
  dataset: Dataset,
  split: Split,
  { seed, stratified, validationSamples }: WarningConfig,
): string[] {
  const missing = SPLIT_NAMES.filter((name) => split[name].length > 0).map((name) => ({
    name,
    classes: classesWithout(dataset, split[name]),
  }))
  if (missing.every(({ classes }) => classes.length === 0)) return []
  const spread = stratified || validationSamples !== undefined ? split : splitDataset(dataset, seed, true)
  return missing.flatMap(({ name, classes }) => {
    if (classes.length === 0) return []
    const stillMissing = classesWithout(dataset, spread[name])
    const remedy =
      stillMissing.length === 0
        ? 'Spread the classes evenly with --stratified.'
        : stillMissing.length < classes.length
          ? `--stratified spreads the classes evenly; ${listed(stillMissing)} would still need more ${unitOf(dataset)}s.`
          : `Give more ${unitOf(dataset)}s of them.`
    return [`The ${TITLES[name]} split has no ${unitOf(dataset)} of ${listed(classes)}${CONSEQUENCES[name]}. ${remedy}`]
  })
}
