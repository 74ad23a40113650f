import { listed } from '../shared/log/listed.js'
import { printable } from '../shared/log/printable.js'
import { counted } from '../shared/units.js'
import type { ArraysInfo, Column, DatasetInfo } from './dataset.js'
import { isImages } from './dataset.js'
import { EMBEDDED_FINGERPRINT } from './embedded.js'
import type { StoredDataset } from './cache/stored-datasets.js'

/** Number of classes named in a line. */
const MAX_CLASSES_SHOWN = 10
const DIGITS = 16

/** Describes a data set in one line. @param from its source */
export function describeDataset(info: DatasetInfo, from: string): string {
  const { name, fingerprint, classNames } = info
  const targets =
    classNames.length > 0
      ? `${counted(classNames.length, 'class', 'classes')} (${listed(classNames, MAX_CLASSES_SHOWN)})`
      : `to learn: ${describeColumns((info as ArraysInfo).targets)}`
  return `Data set ${printable(name)} (${fingerprint.slice(0, DIGITS)}), ${printable(from)}: ${describeSamples(info)}, ${targets}.`
}

/** The samples' number and shape, for people: `60000 images of 32x32x3`, `506 samples of features (13)`. */
export function describeSamples(info: DatasetInfo): string {
  if (isImages(info)) return `${counted(info.count, 'image')} of ${shapeOf(info)}`
  return `${counted(info.count, 'sample')} of ${describeColumns(info.inputs)}`
}

/** A sample's shape, for people: `32x32x3`, or `13` of a row with 13 numbers. */
export function shapeOf(info: ImageShape | Pick<ArraysInfo, 'inputs'>): string {
  if ('inputs' in info) return info.inputs.map(({ shape }) => shape.join('x') || '1').join(' and ')
  return `${info.height}x${info.width}x${info.channels}`
}

interface ImageShape {
  readonly height: number
  readonly width: number
  readonly channels: number
}

function describeColumns(columns: readonly Column[]): string {
  return listed(
    columns.map(({ name, shape, classNames }) => {
      if (classNames) return `${name} (${counted(classNames.length, 'class', 'classes')})`
      return shape.length === 0 ? name : `${name} (${shape.join('x')})`
    }),
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
  const samples = counted(count, isImages(dataset.info) ? 'image' : 'sample')
  return `${printable(name)} ${fingerprint.slice(0, DIGITS)} (${samples}, ${printable(importedFrom(dataset))})`
}
