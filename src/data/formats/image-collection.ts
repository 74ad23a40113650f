import { ConvoyError } from '../../shared/errors.js'
import { shellWord } from '../../shared/shell-word.js'
import type { LeftOutCounts, LeftOutReason } from './left-out.js'

/** One image file: its path inside the folder or archive, and its encoded bytes. */
export interface ImageFile {
  readonly path: string
  readonly bytes: Buffer
}

/** A file or directory that would be a sample, or hold some, if it could be read. */
export interface Problem {
  readonly path: string
  readonly reason: LeftOutReason
  /** A sentence for people, which begins with where that is. */
  readonly message: string
}

/** The image files of a folder or an archive, read into memory. */
export interface ImageCollection {
  /** In the order of their paths. */
  readonly images: readonly ImageFile[]
  /** Relative paths of the directories that are neither hidden nor a system's, empty ones included, in order. */
  readonly directories: readonly string[]
  readonly leftOut: LeftOutCounts
  readonly problems: readonly Problem[]
  /** What messages call the file of a path. */
  readonly placeOf: (path: string) => string
}

/** Limits of one collection. */
export const MAX_COLLECTION_BYTES = 16 * 2 ** 30
export const MAX_COLLECTION_IMAGES = 10_000_000
/** Of one file. */
export const MAX_IMAGE_BYTES = 2 ** 30

/**
 * Counts the problems as left out if `skipBroken` is set.
 * @throws ConvoyError('data') with the first problem if it is not
 */
export function leaveOutOrThrow(
  source: string,
  problems: readonly Problem[],
  leftOut: LeftOutCounts,
  skipBroken: boolean,
): void {
  const first = problems[0]
  if (first === undefined) return
  if (!skipBroken) throw new ConvoyError('data', `${first.message}${describeOthers(source, problems.length - 1)}`)
  for (const { reason, path } of problems) leftOut.add(reason, path)
}

/** The end of a message about one broken file of an import. @param more how many others there are */
export function describeOthers(source: string, more: number): string {
  const others =
    more === 0 ? '' : ` There ${more === 1 ? 'is one more problem' : `are ${more} more problems`} of this kind.`
  return `${others} Or leave such files out: convoy data import ${shellWord(source)} --skip-broken.`
}
