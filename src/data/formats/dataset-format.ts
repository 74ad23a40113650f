import type { Arrays, Images } from '../dataset.js'

/** A data set before it is stored. */
export type DecodedDataset = DecodedImages | DecodedArrays
export type DecodedImages = Omit<Images, 'fingerprint'>
export type DecodedArrays = Omit<Arrays, 'fingerprint'>

export interface DecodedWithNotes {
  readonly decoded: DecodedDataset
  /** Decisions that were made, for people. */
  readonly notes: readonly string[]
}

/** What to learn from a table. */
export interface TableOptions {
  /** Of each output: a column, or columns of numbers separated by commas. @default the last column */
  readonly targets?: readonly string[] | undefined
  /** Take the values of the only target for classes although they are numbers. */
  readonly classTarget?: boolean | undefined
  /** The column that has the weights of the samples. */
  readonly weights?: string | undefined
}

/**
 * A file format of data sets. Which one a path has is decided by names of files: the entries of a directory, all files of an archive
 * (with their directories), or the one file itself.
 *
 * Readers get the path and the name of the data set, and throw ConvoyError('data') naming the file and the offset of the fault.
 */
export interface DatasetFormat {
  /** For people, such as `IDX files (MNIST)`. */
  readonly title: string
  /** Whether files of these names are a data set of this format. */
  recognizes(names: readonly string[]): boolean
  readonly readDirectory?: (directory: string, name: string) => DecodedDataset | Promise<DecodedDataset>
  /** Of a tar or tar.gz. */
  readonly readArchive?: (archive: string, name: string) => DecodedDataset | Promise<DecodedDataset>
  /** Of one file that is no archive. */
  readonly readFile?: (
    file: string,
    name: string,
    options: TableOptions,
  ) => DecodedDataset | DecodedWithNotes | Promise<DecodedDataset>
}
