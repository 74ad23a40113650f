import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Walk } from '../shared/walk-directory.js'
import { ConvoyError } from '../shared/errors.js'
import { progressEverySecond } from '../shared/progress.js'
import type { DatasetFormat, DecodedDataset, DecodedWithNotes, TableOptions } from './formats/dataset-format.js'
import { DATASET_FORMATS, describeFormats } from './formats/dataset-formats.js'
import { decodeCollection } from './formats/decode-collection.js'
import type { CollectionOptions } from './formats/decode-collection.js'
import { listArchive, readImageArchive } from './formats/image-archive.js'
import type { ImageCollection } from './formats/image-collection.js'
import { readImageFolder } from './formats/image-folder.js'
import type { LeftOut } from './formats/left-out.js'
import { describeLeftOut } from './formats/left-out.js'
import { readSourceState } from './cache/source-state.js'

export type ReadOptions = Pick<CollectionOptions, 'size' | 'classLevel' | 'skipBroken' | 'chooseLevel'> &
  TableOptions & {
    readonly report: (lines: string) => void
  }

export interface SourceContent {
  readonly decoded: DecodedDataset
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
  return { state, content: walk === undefined ? await readFile() : await readDirectory(walk) }

  async function readDirectory(walk: Walk): Promise<SourceContent> {
    const read = readerOf('readDirectory', await readdir(source))
    if (read !== undefined) return whole(await read(source, name, options))
    return decode(await readImageFolder(source, walk, report))
  }

  async function readFile(): Promise<SourceContent> {
    const read = readerOf('readFile', [path.basename(source)])
    if (read !== undefined) return whole(await read(source, name, options))
    const collection = await readImageArchive(source, report)
    // By what it holds: names of archives change.
    const readArchive = collection.images.length === 0 && readerOf('readArchive', await listArchive(source))
    return readArchive ? whole(await readArchive(source, name, options)) : decode(collection)
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

/** How to read a place with these file names; undefined: no format but images. */
function readerOf(
  way: 'readDirectory' | 'readArchive' | 'readFile',
  names: readonly string[],
): DatasetFormat['readFile'] {
  return DATASET_FORMATS.find((format) => format[way] !== undefined && format.recognizes(names))?.[way]
}

function whole(read: DecodedDataset | DecodedWithNotes): SourceContent {
  return { notes: [], ...('decoded' in read ? read : { decoded: read }), leftOut: [] }
}

function nothingKnown(source: string): ConvoyError {
  return new ConvoyError('usage', `${source} holds no data set that Convoy knows: ${describeFormats()}.`)
}
