import { ConvoyError } from '../../shared/errors.js'
import type { Dataset, DatasetInfo } from '../dataset.js'
import type { DatasetOrigin } from './dataset-origin.js'
import { blocksOf, fingerprintOf, writePackedDataset } from './packed-cache.js'
import { checkNameIsFree, recordOrigin } from './stored-datasets.js'

/**
 * Packs a decoded data set into the cache.
 * @returns its header with the fingerprint; stored content keeps its name, unless this name was chosen by the user
 * @throws ConvoyError('data') for fewer than two classes, or a class without samples; ConvoyError('usage') when the chosen name is
 * another data set's
 */
export async function storeDataset(decoded: Omit<Dataset, 'fingerprint'>, origin: DatasetOrigin): Promise<DatasetInfo> {
  checkClasses(decoded)
  const { pixels, labels, ...header } = decoded
  const labelBytes = new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength)
  const blocks = [labelBytes, ...blocksOf(pixels)]
  const fingerprint = fingerprintOf(header, blocks)
  if (origin.nameIsChosen) await checkNameIsFree(header.name, fingerprint, origin)
  await writePackedDataset({ ...header, fingerprint }, blocks)
  return recordOrigin(fingerprint, header.name, origin)
}

function checkClasses({ name, classNames, labels }: Pick<Dataset, 'name' | 'classNames' | 'labels'>): void {
  if (classNames.length < 2) throw new ConvoyError('data', `${name}: one class only; a classifier needs two or more.`)
  const seen = new Set(labels)
  const empty = classNames.findIndex((_, label) => !seen.has(label))
  if (empty !== -1) {
    throw new ConvoyError('data', `${name}: no sample has the label ${empty} (${classNames[empty]}); remove the class.`)
  }
}
