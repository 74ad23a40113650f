import { readdir, stat } from 'node:fs/promises'
import { ConvoyError } from '../shared/errors.js'
import { progressEverySecond } from '../shared/progress.js'
import { isCifarBinary, readCifarArchive, readCifarDirectory } from './formats/cifar-binary.js'
import type { Dataset } from './dataset.js'
import { decodeCollection } from './formats/decode-collection.js'
import type { CollectionOptions } from './formats/decode-collection.js'
import { isIdx, readIdx } from './formats/idx.js'
import { listArchive, readImageArchive } from './formats/image-archive.js'
import type { ImageCollection } from './formats/image-collection.js'
import { readImageFolder } from './formats/image-folder.js'
import { IMAGE_FORMATS } from './formats/image-names.js'
import type { LeftOut } from './formats/left-out.js'
import { describeLeftOut } from './formats/left-out.js'
import { readSourceState } from './cache/source-state.js'

export type ReadOptions = Pick<CollectionOptions, 'size' | 'classLevel' | 'skipBroken' | 'chooseLevel'> & {
  readonly report: (lines: string) => void
}

export interface SourceContent {
  readonly decoded: Omit<Dataset, 'fingerprint'>
  readonly leftOut: readonly LeftOut[]
  readonly notes: readonly string[]
  /** Level of the classes, given or chosen; only for images. */
  readonly classLevel?: number | undefined
}

/**
 * Reads the data set at a path, in any supported format.
 * @param name its name
 * @returns the data set, and the state of the path before reading
 * @throws ConvoyError('usage') when there is none, or the level of the classes is ambiguous; ConvoyError('data') for broken files
 */
export async function readSource(
  source: string,
  name: string,
  { report, ...options }: ReadOptions,
): Promise<{ state: string; content: SourceContent }> {
  const found = await stat(source)
  // A pipe or a device may have no end.
  if (!found.isDirectory() && !found.isFile())
    throw new ConvoyError('usage', `${source} is neither a file nor a directory; give one of these.`)
  const { state, walk } = await readSourceState(source, report)
  if (walk === undefined) return { state, content: await readArchive() }
  const names = await readdir(source)
  if (isCifarBinary(names)) return { state, content: whole(await readCifarDirectory(source, name)) }
  if (isIdx(names)) return { state, content: whole(readIdx(source, name)) }
  return { state, content: await decode(await readImageFolder(source, walk, report)) }

  async function readArchive(): Promise<SourceContent> {
    const collection = await readImageArchive(source, report)
    // Recognised by content: names of archives vary.
    if (collection.images.length === 0 && isCifarBinary(await listArchive(source)))
      return whole(await readCifarArchive(source, name))
    return decode(collection)
  }

  async function decode(collection: ImageCollection): Promise<SourceContent> {
    const { images, leftOut, problems } = collection
    try {
      if (images.length === 0 && problems.length === 0) throw nothingKnown(source)
      const progress = progressEverySecond(report)
      const { decoded, notes, classLevel } = await decodeCollection(collection, {
        ...{ ...options, name, source },
        onProgress: (done, total) => progress(() => `Decoding ${name}: ${done} of ${total} images`),
      })
      return { decoded, notes, classLevel, leftOut: leftOut.list() }
    } catch (error) {
      // The left out images may be the reason.
      const lines = describeLeftOut(leftOut.list(['format', 'nameless']))
      if (error instanceof ConvoyError && lines.length > 0) report(lines.join('\n'))
      throw error
    }
  }
}

function whole(decoded: Omit<Dataset, 'fingerprint'>): SourceContent {
  return { decoded, leftOut: [], notes: [] }
}

function nothingKnown(source: string): ConvoyError {
  return new ConvoyError(
    'usage',
    `${source} holds no data set in a supported format: CIFAR-10's binary batches, IDX files (MNIST), or images (${IMAGE_FORMATS}) in one directory per class.`,
  )
}
