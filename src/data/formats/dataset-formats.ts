import { cifarBinary } from './cifar-binary.js'
import { csvTable } from './csv-table.js'
import type { DatasetFormat } from './dataset-format.js'
import { idx } from './idx.js'
import { IMAGE_FORMATS } from './image-names.js'

/**
 * All formats besides images in directories, which everything else is taken for. A new one is a file like idx.ts and a place here:
 * docs/guides/extend.md.
 */
export const DATASET_FORMATS: readonly DatasetFormat[] = [cifarBinary, idx, csvTable]

/** For people: every format, and images. */
export function describeFormats(): string {
  return `${DATASET_FORMATS.map(({ title }) => title).join(', ')}, or images (${IMAGE_FORMATS}) in one directory per class`
}
