import { createReadStream } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import tar from 'tar-stream'
import { ConvoyError } from '../shared/errors.js'

/** One image file: its path inside the folder or archive, and its encoded bytes. */
export interface ImageFile {
  readonly path: string
  readonly bytes: Buffer
}

/** Names of files that are taken for images. */
export const IMAGE_NAME = /\.(jpe?g|png|webp|gif|tiff?|avif)$/i
const MOST_BYTES = 16 * 2 ** 30
const MOST_FILES = 10_000_000

/**
 * Reads the image files of a tar or tar.gz into memory, sorted by path; nothing is written to disk.
 * @throws ConvoyError('data') for a damaged archive, naming the last good entry, or one that is absurdly large
 */
export async function readImageArchive(file: string): Promise<ImageFile[]> {
  const images: ImageFile[] = []
  let total = 0
  const extract = tar.extract()
  const collect = async (): Promise<void> => {
    for await (const entry of extract) {
      const { name, type } = entry.header
      if (type !== 'file' || !IMAGE_NAME.test(name)) {
        entry.resume()
        continue
      }
      const blocks: Buffer[] = []
      for await (const block of entry as AsyncIterable<Buffer>) {
        total += block.length
        if (total > MOST_BYTES)
          throw new ConvoyError('data', `${file}: more than ${MOST_BYTES} bytes of images at ${name}.`)
        blocks.push(block)
      }
      images.push({ path: name, bytes: Buffer.concat(blocks) })
      if (images.length > MOST_FILES) throw new ConvoyError('data', `${file}: more than ${MOST_FILES} images.`)
    }
  }
  try {
    const source = createReadStream(file)
    const unpacking = /\.t?gz$/i.test(file) ? pipeline(source, createGunzip(), extract) : pipeline(source, extract)
    await Promise.all([unpacking, collect()])
  } catch (error) {
    if (error instanceof ConvoyError) throw error
    throw new ConvoyError(
      'data',
      `${file} is not a readable tar archive (${(error as Error).message}), after ${images.at(-1)?.path ?? 'no image at all'}.`,
      { cause: error },
    )
  }
  return images.sort((a, b) => (a.path < b.path ? -1 : 1))
}

/**
 * Reads the image files below a directory into memory, sorted by path.
 * @throws ConvoyError('data') for a class directory without images, or when they are too many or too large
 */
export async function readImageFolder(directory: string): Promise<ImageFile[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const inside = (entry: (typeof entries)[number]): string =>
    path.relative(directory, path.join(entry.parentPath, entry.name))
  const names = entries
    .filter((entry) => entry.isFile() && IMAGE_NAME.test(entry.name))
    .map(inside)
    .sort()
  if (names.length > MOST_FILES) throw new ConvoyError('data', `${directory}: more than ${MOST_FILES} images.`)
  const parents = new Set(entries.map((entry) => path.relative(directory, entry.parentPath)))
  const empty = entries.filter((entry) => entry.isDirectory() && !parents.has(inside(entry))).map(inside)
  if (names.length > 0 && empty.length > 0) {
    throw new ConvoyError(
      'data',
      `${path.join(directory, empty[0]!)} is a class without images; add some or remove the directory.`,
    )
  }
  const images: ImageFile[] = []
  let total = 0
  for (const name of names) {
    const bytes = await readFile(path.join(directory, name))
    total += bytes.length
    if (total > MOST_BYTES)
      throw new ConvoyError('data', `${directory}: more than ${MOST_BYTES} bytes of images at ${name}.`)
    images.push({ path: name.split(path.sep).join('/'), bytes })
  }
  return images
}
