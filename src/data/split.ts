import { ConvoyError } from '../shared/errors.js'
import { KeyedRandom, PURPOSE } from '../shared/philox.js'
import type { Dataset, Split } from './dataset.js'

/**
 * Splits the pooled samples 70/15/15: 70:30 first, then the 30 halved. Of n samples, floor(0.7 n) train, the rest is halved
 * and an odd one goes to validation; 60,000 become 42,000 / 9,000 / 9,000. Membership is a permutation keyed by the seed.
 *
 * @param stratified split each class by itself, so that every split has each class's share up to one sample
 * @throws ConvoyError('data') when a split would be empty
 */
export function splitDataset(
  { count, labels }: Pick<Dataset, 'count' | 'labels'>,
  seed: number,
  stratified: boolean,
): Split {
  const order = permutation(count, new KeyedRandom(seed, PURPOSE.split), 0)
  const groups = stratified ? groupByLabel(order, labels) : [order]
  const parts: Record<keyof Split, number[]> = { train: [], validation: [], test: [] }
  for (const group of groups) {
    // Integer arithmetic: 0.7 · n is not exact.
    const train = Math.floor((group.length * 7) / 10)
    const validation = train + Math.ceil((group.length - train) / 2)
    parts.train.push(...group.subarray(0, train))
    parts.validation.push(...group.subarray(train, validation))
    parts.test.push(...group.subarray(validation))
  }
  if (parts.train.length === 0 || parts.validation.length === 0 || parts.test.length === 0) {
    throw new ConvoyError(
      'data',
      `${count} samples are too few to split 70/15/15; give at least 4${stratified ? ' of each class' : ''}.`,
    )
  }
  return {
    train: Uint32Array.from(parts.train).sort(),
    validation: Uint32Array.from(parts.validation).sort(),
    test: Uint32Array.from(parts.test).sort(),
  }
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
