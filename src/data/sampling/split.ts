import { ConvoyError } from '../../shared/errors.js'
import { KeyedRandom, PURPOSE } from '../../shared/philox.js'
import { counted } from '../../shared/units.js'
import type { Dataset, Split, SplitName } from '../dataset.js'

/** With fewer samples the test split would be empty. */
export const MIN_SPLIT_SAMPLES = 4

/** Sizes of the splits for this many samples; some are 0 below {@link MIN_SPLIT_SAMPLES}. */
export function splitSizes(count: number): Record<SplitName, number> {
  // Integer arithmetic: 0.7 · n is not exact.
  const train = Math.floor((count * 7) / 10)
  const validation = Math.ceil((count - train) / 2)
  return { train, validation, test: count - train - validation }
}

/**
 * Splits the pooled samples 70/15/15: 70:30 first, then the 30 halved. Of n samples, floor(0.7 n) train, the rest is halved
 * and an odd one goes to validation; 60,000 become 42,000 / 9,000 / 9,000. Membership is a permutation keyed by the seed.
 *
 * @param stratified share each split's size out over the classes (largest remainder, a tie to the lower label): sizes stay
 *   exact, and every class has its share of every split up to a sample or two
 * @param validationSamples undefined: as above. Otherwise the last so many samples are the validation split, all before them the training
 *   split, and the test split is empty
 * @throws ConvoyError('data') when a split would be empty
 */
export function splitDataset(
  { count, labels }: Pick<Dataset, 'count' | 'labels'>,
  seed: number,
  stratified: boolean,
  validationSamples?: number,
): Split {
  if (validationSamples !== undefined) return lastSamples(count, validationSamples)
  if (count < MIN_SPLIT_SAMPLES) {
    throw new ConvoyError(
      'data',
      `${counted(count, 'sample')} cannot be split 70/15/15; give at least ${MIN_SPLIT_SAMPLES}.`,
    )
  }
  if (stratified && labels.length === 0)
    throw new ConvoyError(
      'usage',
      'stratified: the data set has no classes to spread evenly; leave `convoy train --stratified` out.',
    )
  const { train: trainCount, validation: validationCount, test: testCount } = splitSizes(count)
  const split = {
    train: new Uint32Array(trainCount),
    validation: new Uint32Array(validationCount),
    test: new Uint32Array(testCount),
  }
  const order = permutation(count, new KeyedRandom(seed, PURPOSE.split), 0)
  const groups = stratified ? groupByLabel(order, labels) : [order]
  const sizes = groups.map((group) => group.length)
  const trainSizes = apportion(trainCount, sizes)
  const validationSizes = apportion(
    validationCount,
    sizes.map((size, group) => size - trainSizes[group]!),
  )
  const filled = { train: 0, validation: 0, test: 0 }
  groups.forEach((group, index) => {
    const train = trainSizes[index]!
    const validation = train + validationSizes[index]!
    split.train.set(group.subarray(0, train), filled.train)
    split.validation.set(group.subarray(train, validation), filled.validation)
    split.test.set(group.subarray(validation), filled.test)
    filled.train += train
    filled.validation += validation - train
    filled.test += group.length - validation
  })
  for (const samples of Object.values(split)) samples.sort()
  return split
}

/** @throws ConvoyError('data') when none is left to train on */
function lastSamples(count: number, validation: number): Split {
  if (validation >= count)
    throw new ConvoyError(
      'data',
      `validationSamples: the data set has ${counted(count, 'sample')}, so that none of them is left to train on; keep fewer.`,
    )
  const all = Uint32Array.from({ length: count }, (_, sample) => sample)
  return { train: all.slice(0, count - validation), validation: all.slice(count - validation), test: all.slice(count) }
}

/** Shares `total` out in proportion to `weights`, exactly: rounded down, the rest to the largest remainders. */
function apportion(total: number, weights: readonly number[]): number[] {
  const whole = weights.reduce((sum, weight) => sum + weight, 0)
  const shares = weights.map((weight) => Math.floor((weight * total) / whole))
  const remainders = weights.map((weight, index) => ({ index, remainder: (weight * total) % whole }))
  remainders.sort((a, b) => b.remainder - a.remainder || a.index - b.index)
  const rest = total - shares.reduce((sum, share) => sum + share, 0)
  for (const { index } of remainders.slice(0, rest)) shares[index]!++
  return shares
}

/**
 * A uniform permutation of 0 … count - 1 (Fisher and Yates), keyed by (generator, stream).
 * @returns uint32, `[count]`
 */
export function permutation(count: number, random: KeyedRandom, stream: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index)
  for (let last = count - 1; last > 0; last--) {
    const chosen = random.integerBelow(last + 1, stream, last)
    const swapped = order[last]!
    order[last] = order[chosen]!
    order[chosen] = swapped
  }
  return order
}

function groupByLabel(order: Uint32Array, labels: Uint16Array): Uint32Array[] {
  const groups = new Map<number, number[]>()
  for (const sample of order) {
    const group = groups.get(labels[sample]!)
    if (group) group.push(sample)
    else groups.set(labels[sample]!, [sample])
  }
  return [...groups.entries()].sort(([a], [b]) => a - b).map(([, samples]) => Uint32Array.from(samples))
}
