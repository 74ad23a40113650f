import { listed } from '../shared/log/listed.js'
import { printable } from '../shared/log/printable.js'
import { counted } from '../shared/units.js'
import type { DatasetInfo } from './dataset.js'
import { EMBEDDED_FINGERPRINT } from './embedded.js'
import type { StoredDataset } from './cache/stored-datasets.js'

/** Number of classes named in a line. */
const MAX_CLASSES_SHOWN = 10
const DIGITS = 16

/** Describes a data set in one line. @param from its source */
export function describeDataset(info: DatasetInfo, from: string): string {
  const { name, fingerprint, count, height, width, channels, classNames } = info
  return (
    `Data set ${printable(name)} (${fingerprint.slice(0, DIGITS)}), ${printable(from)}: ${counted(count, 'image')} of ` +
    `${height}x${width}x${channels}, ${counted(classNames.length, 'class', 'classes')} (${listed(classNames, MAX_CLASSES_SHOWN)}).`
  )
}

/** The source of a stored data set, as far as it is known. */
export function importedFrom({ info, origin }: StoredDataset): string {
  if (info.fingerprint === EMBEDDED_FINGERPRINT) return 'part of Convoy'
  const when = origin.importedAt === undefined ? '' : ` on ${origin.importedAt.slice(0, 10)}`
  return origin.path === undefined ? 'from the cache' : `imported from ${origin.path}${when}`
}

/** Describes a stored data set so that it can be distinguished from others of the same name. */
export function describeStored(dataset: StoredDataset): string {
  const { name, fingerprint, count } = dataset.info
  return `${printable(name)} ${fingerprint.slice(0, DIGITS)} (${counted(count, 'image')}, ${printable(importedFrom(dataset))})`
}
