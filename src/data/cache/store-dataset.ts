import { ConvoyError } from '../../shared/errors.js'
import type { Dataset, DatasetInfo } from '../dataset.js'
import type { DecodedDataset } from '../formats/dataset-format.js'
import type { DatasetOrigin } from './dataset-origin.js'
import { blocksOf, fingerprintOf, writePackedDataset } from './packed-cache.js'
import { checkNameIsFree, recordOrigin } from './stored-datasets.js'

/**
 * Packs a decoded data set into the cache.
 * @returns its header, fingerprint included; content that is there already keeps its name, unless this one was chosen
 * @throws ConvoyError('internal') when the sizes do not fit together: a format's mistake; ConvoyError('data') for fewer than two classes, or a class without samples; ConvoyError('usage') when the chosen name is
 * another data set's
 */
export async function storeDataset(decoded: DecodedDataset, origin: DatasetOrigin): Promise<DatasetInfo> {
  checkSizes(decoded)
  checkClasses(decoded)
  const { pixels, labels, ...header } = decoded
  const labelBytes = new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength)
  const blocks = [labelBytes, ...blocksOf(pixels)]
  const fingerprint = fingerprintOf(header, blocks)
  if (origin.nameIsChosen) await checkNameIsFree(header.name, fingerprint, origin)
  await writePackedDataset({ ...header, fingerprint }, blocks)
  return recordOrigin(fingerprint, header.name, origin)
}

function checkSizes({ name, count, height, width, channels, classNames, pixels, labels }: DecodedDataset): void {
  const wrong = (what: string): ConvoyError => new ConvoyError('internal', `${name} was read wrongly: ${what}.`)
  const size = count * height * width * channels
  if (pixels.length !== size) throw wrong(`${pixels.length} bytes of pixels for a size of ${size}`)
  if (labels.length !== count) throw wrong(`${labels.length} labels for ${count} images`)
  const label = labels.find((value) => value >= classNames.length)
  if (label !== undefined) throw wrong(`the label ${label} with ${classNames.length} classes`)
}

function checkClasses({ name, classNames, labels }: Pick<Dataset, 'name' | 'classNames' | 'labels'>): void {
  if (classNames.length < 2) throw new ConvoyError('data', `${name}: one class only; a classifier needs two or more.`)
  const seen = new Set(labels)
  const empty = classNames.findIndex((_, label) => !seen.has(label))
  if (empty !== -1) {
    throw new ConvoyError('data', `${name}: no sample has the label ${empty} (${classNames[empty]}); remove the class.`)
  }
}
