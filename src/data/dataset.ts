/** Limit on classes. The result of an evaluation shard has a value for each pair of classes: 67 MB with this many. */
export const MAX_CLASSES = 4_096

/** A decoded data set: all images in one block of memory, in one fixed order. */
export interface Dataset {
  /** For people: `cifar10`, or the base name of the imported path. */
  readonly name: string
  /** sha256 (hex) over shape, class names, labels and pixels: names the content from import on. */
  readonly fingerprint: string
  readonly count: number
  readonly height: number
  readonly width: number
  readonly channels: number
  readonly classNames: readonly string[]
  /** uint8, `[count, height, width, channels]`, 0 to 255. */
  readonly pixels: Uint8Array
  /** uint16, `[count]`, each below `classNames.length`. */
  readonly labels: Uint16Array
}

/** The header of a data set, without labels and pixels. */
export type DatasetInfo = Omit<Dataset, 'pixels' | 'labels'>

export const SPLIT_NAMES = ['train', 'validation', 'test'] as const
export type SplitName = (typeof SPLIT_NAMES)[number]

/** Sample indices of each split, in ascending order. Disjoint; together they are every sample. */
export type Split = Readonly<Record<SplitName, Uint32Array>>
