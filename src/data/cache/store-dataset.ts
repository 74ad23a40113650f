import { ConvoyError } from '../../shared/errors.js'
import { counted } from '../../shared/units.js'
import type { Dataset, DatasetInfo } from '../dataset.js'
import { headerOnly } from '../dataset.js'
import type { DecodedDataset } from '../formats/dataset-format.js'
import type { DatasetOrigin } from './dataset-origin.js'
import { blocksOf, fingerprintOf, keepFeatures, writePackedDataset } from './packed-cache.js'
import { packedBytes, partsOf } from './packed-layout.js'
import { checkNameIsFree, recordOrigin } from './stored-datasets.js'

/**
 * Packs a decoded data set into the cache.
 * @returns its header, fingerprint included; content that is there already keeps its name, unless this one was chosen
 * @throws ConvoyError('internal') when the sizes do not fit together: a format's mistake; ConvoyError('data') for fewer than two classes, or a class without samples; ConvoyError('usage') when the chosen name is
 * another data set's
 */
export async function storeDataset(decoded: DecodedDataset, origin: DatasetOrigin): Promise<DatasetInfo> {
  checkSizes(decoded)
  // Of a table every class is one that occurs; tensors may lack some.
  if ('pixels' in decoded) checkClasses(decoded)
  const header = headerOnly(decoded)
  const blocks = partsOf(decoded).flatMap((part) => [...blocksOf(part)])
  const fingerprint = fingerprintOf(header, blocks)
  if (origin.nameIsChosen) await checkNameIsFree(header.name, fingerprint, origin)
  await writePackedDataset({ ...header, fingerprint }, blocks)
  if (!('pixels' in decoded)) await keepFeatures(fingerprint, decoded.features)
  return recordOrigin(fingerprint, header.name, origin)
}

function checkSizes(decoded: DecodedDataset): void {
  const { name, count, classNames, labels } = decoded
  const wrong = (what: string): ConvoyError => new ConvoyError('internal', `${name} was read wrongly: ${what}.`)
  const bytes = partsOf(decoded).reduce((sum, part) => sum + part.byteLength, 0)
  if (bytes !== packedBytes(decoded)) throw wrong(`${bytes} bytes of values for a size of ${packedBytes(decoded)}`)
  if (labels.length !== (classNames.length > 0 ? count : 0))
    throw wrong(`${labels.length} labels for ${counted(count, 'sample')}`)
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
