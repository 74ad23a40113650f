import { createReadStream } from 'node:fs'
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
        if (total > MOST_BYTES) throw new ConvoyError('data', `${file}: more than ${MOST_BYTES} bytes of images at ${name}.`)
        blocks.push(block)
      }
      images.push({ path: name, bytes: Buffer.concat(blocks) })
      if (images.length > MOST_FILES) throw new ConvoyError('data', `${file}: more than ${MOST_FILES} images.`)
    }
  }
  try {
    const source = createReadStream(file)
    const reading = collect()
    await (/\.t?gz$/i.test(file) ? pipeline(source, createGunzip(), extract) : pipeline(source, extract))
    await reading
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
