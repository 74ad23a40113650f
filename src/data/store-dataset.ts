import { ConvoyError } from '../shared/errors.js'
import type { Dataset, DatasetInfo } from './dataset.js'
import { blocksOf, fingerprintOf, readInfo, writePackedDataset } from './packed-cache.js'

/**
 * Packs a decoded data set into the cache.
 * @returns its header, fingerprint included; the cache's when the same content has another name there
 * @throws ConvoyError('data') for fewer than two classes, or a class without samples
 */
export async function storeDataset(decoded: Omit<Dataset, 'fingerprint'>): Promise<DatasetInfo> {
  checkClasses(decoded)
  const { pixels, labels, ...header } = decoded
  const labelBytes = new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength)
  const blocks = [labelBytes, ...blocksOf(pixels)]
  const fingerprint = fingerprintOf(header, blocks)
  await writePackedDataset({ ...header, fingerprint }, blocks)
  return (await readInfo(fingerprint))!
}

function checkClasses({ name, classNames, labels }: Pick<Dataset, 'name' | 'classNames' | 'labels'>): void {
  if (classNames.length < 2) throw new ConvoyError('data', `${name}: one class only; a classifier needs two or more.`)
  const seen = new Set(labels)
  const empty = classNames.findIndex((_, label) => !seen.has(label))
  if (empty !== -1) {
    throw new ConvoyError('data', `${name}: no sample has the label ${empty} (${classNames[empty]}); remove the class.`)
  }
}
