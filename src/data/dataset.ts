/** Limit on classes. The result of an evaluation shard has a value for each pair of classes: 67 MB with this many. */
export const MAX_CLASSES = 4_096

/** One array of a data set, as far as a sample has it. */
export interface Column {
  readonly name: string
  readonly type: 'float32' | 'int32'
  /** Of one sample; `[]` is one number. */
  readonly shape: readonly number[]
  /** Of a target, int32: its numbers are indices of these. Absent: they are numbers to learn. */
  readonly classNames?: readonly string[]
}

/** A column of a table as inputs of a model: a number or, with `words`, a number for each of them, which is 1 where the word is. */
export interface TableFeature {
  readonly name: string
  readonly words?: readonly string[]
}

interface DatasetHeader {
  /** For people: `cifar10`, or the base name of the imported path. */
  readonly name: string
  /** sha256 (hex) over shape, class names and all values: names the content from import on. */
  readonly fingerprint: string
  readonly count: number
  /** Of the labels. Empty: a model learns the targets. */
  readonly classNames: readonly string[]
}

export interface ImagesInfo extends DatasetHeader {
  readonly height: number
  readonly width: number
  readonly channels: number
}

/** Samples that are no images, such as the rows of a table. */
export interface ArraysInfo extends DatasetHeader {
  readonly inputs: readonly Column[]
  /** What each output of a model learns; empty where that is the class alone. */
  readonly targets: readonly Column[]
  /** Samples count with a weight each. Absent: they count alike. */
  readonly hasWeights?: true
  /** How the columns of a table became the only input. Not part of the fingerprint. Absent: unknown, or it was no table. */
  readonly features?: readonly TableFeature[]
}

/** The header of a data set, without its values. */
export type DatasetInfo = ImagesInfo | ArraysInfo

/** Values of one column, `[count, …shape]`. */
export type ColumnValues = Float32Array | Int32Array

interface Labels {
  /** uint16, `[count]`, each below `classNames.length`; empty without classes. */
  readonly labels: Uint16Array
}

/** Decoded images: all in one block of memory, in one fixed order. */
export interface Images extends ImagesInfo, Labels {
  /** uint8, `[count, height, width, channels]`, 0 to 255. */
  readonly pixels: Uint8Array
}

export interface Arrays extends ArraysInfo, Labels {
  /** In the order of `inputs`. */
  readonly inputValues: readonly ColumnValues[]
  /** In the order of `targets`. */
  readonly targetValues: readonly ColumnValues[]
  /** float32, `[count]`, 0 or more: what the loss of each sample is multiplied by in training. Empty without weights. */
  readonly sampleWeights: Float32Array
}

export type Dataset = Images | Arrays

export function isImages(dataset: Dataset): dataset is Images
export function isImages(dataset: DatasetInfo): dataset is ImagesInfo
export function isImages(dataset: DatasetInfo): boolean {
  return 'height' in dataset
}

/** Without its values. */
export type HeaderOf<Data> = Data extends unknown
  ? Omit<Data, 'pixels' | 'labels' | 'inputValues' | 'targetValues' | 'sampleWeights'>
  : never

export function headerOnly<Data extends object>(dataset: Data): HeaderOf<Data> {
  const values = ['pixels', 'labels', 'inputValues', 'targetValues', 'sampleWeights']
  return Object.fromEntries(Object.entries(dataset).filter(([name]) => !values.includes(name))) as HeaderOf<Data>
}

/** Numbers of one sample. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1)
}

export const SPLIT_NAMES = ['train', 'validation', 'test'] as const
export type SplitName = (typeof SPLIT_NAMES)[number]

/** Sample indices of each split, in ascending order. Disjoint; together they are every sample. */
export type Split = Readonly<Record<SplitName, Uint32Array>>
