import { createReadStream } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
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
/** AppleDouble companions (`._cat.jpg`), `.git` and the like: nobody's samples. */
const HIDDEN = /(^|\/)\.[^./]/
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
      if (type !== 'file' || !IMAGE_NAME.test(name) || HIDDEN.test(name)) {
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
 * Reads the image files below a directory into memory, sorted by path. Links to files are followed.
 * @throws ConvoyError('data') for a class directory without images, a link to a directory, or when they are too many or too large
 */
export async function readImageFolder(directory: string): Promise<ImageFile[]> {
  const { names, emptyDirectories } = await listImages(directory)
  if (names.length > MOST_FILES) throw new ConvoyError('data', `${directory}: more than ${MOST_FILES} images.`)
  if (names.length > 0 && emptyDirectories.length > 0) {
    throw new ConvoyError(
      'data',
      `${path.join(directory, emptyDirectories[0]!)} is a class without images; add some or remove the directory.`,
    )
  }
  const images: ImageFile[] = []
  let total = 0
  for (const name of names) {
    const file = path.join(directory, name)
    try {
      const found = await stat(file)
      // A pipe or a device may have no end.
      if (!found.isFile()) throw new ConvoyError('data', `${file} is no regular file; remove it.`)
      total += found.size
      if (total > MOST_BYTES)
        throw new ConvoyError('data', `${directory}: more than ${MOST_BYTES} bytes of images at ${name}.`)
      images.push({ path: name, bytes: await readFile(file) })
    } catch (error) {
      if (error instanceof ConvoyError) throw error
      throw new ConvoyError('data', `${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`, {
        cause: error,
      })
    }
  }
  return images
}

/** Paths with `/`, relative and sorted; empty directories have neither images nor directories. */
async function listImages(directory: string): Promise<{ names: string[]; emptyDirectories: string[] }> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const names: string[] = []
  const directories: string[] = []
  const inhabited = new Set<string>()
  for (const entry of entries) {
    const inside = path.relative(directory, path.join(entry.parentPath, entry.name)).split(path.sep).join('/')
    if (HIDDEN.test(inside)) continue
    if (entry.isSymbolicLink() && (await isDirectory(path.join(directory, inside)))) {
      throw new ConvoyError(
        'data',
        `${path.join(directory, inside)} is a link to a directory; put the images themselves or links to them there.`,
      )
    }
    if (entry.isDirectory()) directories.push(inside)
    else if (IMAGE_NAME.test(inside)) names.push(inside)
    else continue
    inhabited.add(path.posix.dirname(inside))
  }
  return { names: names.sort(), emptyDirectories: directories.filter((name) => !inhabited.has(name)).sort() }
}

async function isDirectory(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined))?.isDirectory() ?? false
}
