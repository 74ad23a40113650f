import { listed } from '../shared/log/listed.js'
import { printable } from '../shared/log/printable.js'
import { counted } from '../shared/units.js'
import type { DatasetInfo } from './dataset.js'
import { EMBEDDED_FINGERPRINT } from './embedded.js'
import type { StoredDataset } from './cache/stored-datasets.js'

/** How many classes a line names. */
const MAX_CLASSES_SHOWN = 10
const DIGITS = 16

/** One line: which data set that is, with how many images of which classes. @param from where it came from */
export function describeDataset(info: DatasetInfo, from: string): string {
  const { name, fingerprint, count, height, width, channels, classNames } = info
  return (
    `Data set ${printable(name)} (${fingerprint.slice(0, DIGITS)}), ${printable(from)}: ${counted(count, 'image')} of ` +
    `${height}x${width}x${channels}, ${counted(classNames.length, 'class', 'classes')} (${listed(classNames, MAX_CLASSES_SHOWN)}).`
  )
}

/** Where a stored data set came from, as far as that is known. */
export function importedFrom({ info, origin }: StoredDataset): string {
  if (info.fingerprint === EMBEDDED_FINGERPRINT) return 'part of Convoy'
  const when = origin.importedAt === undefined ? '' : ` on ${origin.importedAt.slice(0, 10)}`
  return origin.path === undefined ? 'from the cache' : `imported from ${origin.path}${when}`
}

/** To tell stored data sets apart that have one name. */
export function describeStored(dataset: StoredDataset): string {
  const { name, fingerprint, count } = dataset.info
  return `${printable(name)} ${fingerprint.slice(0, DIGITS)} (${counted(count, 'image')}, ${printable(importedFrom(dataset))})`
}
