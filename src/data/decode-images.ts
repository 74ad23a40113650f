import os from 'node:os'
import sharp from 'sharp'
import { ConvoyError } from '../shared/errors.js'
import type { Dataset } from './dataset.js'
import { MOST_CLASSES } from './dataset.js'
import type { ImageFile } from './image-archive.js'
import { checkPackedSize } from './packed-cache.js'

// Small images in parallel: threads and caches inside one image only cost.
sharp.concurrency(1)
sharp.cache(false)

/** Largest image that is decoded: 64 megapixels. Anything larger is a mistake or an attack. */
const MOST_PIXELS = 64 * 2 ** 20

/**
 * Decodes image files, one directory per class (`…/<class>/<file>`), to RGB of one size. Classes are sorted by name; images
 * with the same class in several directories (`train/cat`, `test/cat`) are pooled.
 *
 * @param size height and width; undefined takes the first image's and wants all to have it
 * @throws ConvoyError('data') naming the file that cannot be decoded or has another size, or when there are no two classes
 */
export async function decodeImages(
  files: readonly ImageFile[],
  name: string,
  size: { height: number; width: number } | undefined,
  onProgress: (done: number, total: number) => void,
): Promise<Omit<Dataset, 'fingerprint'>> {
  const classNames = [...new Set(files.map(classOf))].sort()
  if (classNames.length < 2 || classNames.length > MOST_CLASSES) {
    throw new ConvoyError(
      'data',
      `${name}: ${classNames.length} classes found; put the images of each class into a directory of its own (2 to ${MOST_CLASSES}).`,
    )
  }
  const { height, width } = size ?? (await sizeOf(files[0]!))
  const shape = { count: files.length, height, width, channels: 3 }
  checkPackedSize(name, shape)
  const imageBytes = height * width * 3
  const pixels = new Uint8Array(files.length * imageBytes)
  const labelOf = new Map(classNames.map((className, label) => [className, label]))
  const labels = Uint16Array.from(files, (file) => labelOf.get(classOf(file))!)

  let next = 0
  const decodeNext = async (): Promise<void> => {
    for (let index = next++; index < files.length; index = next++) {
      const file = files[index]!
      try {
        pixels.set(await decode(file, size === undefined, height, width), index * imageBytes)
      } catch (error) {
        // The others stop at their next image.
        next = files.length
        throw error
      }
      if (index % 1000 === 0) onProgress(index, files.length)
    }
  }
  await Promise.all(Array.from({ length: os.availableParallelism() * 2 }, decodeNext))
  return { ...shape, name, classNames, pixels, labels }
}

function classOf({ path }: ImageFile): string {
  const parts = path.split('/')
  const directory = parts.at(-2)
  if (directory === undefined || directory === '.') {
    throw new ConvoyError(
      'data',
      `${path} lies in no class directory; put the images of each class into a directory of its own.`,
    )
  }
  return directory
}

async function sizeOf(file: ImageFile): Promise<{ height: number; width: number }> {
  try {
    const { autoOrient } = await sharp(file.bytes, { limitInputPixels: MOST_PIXELS }).metadata()
    return autoOrient
  } catch (error) {
    throw unreadable(file, error)
  }
}

async function decode(file: ImageFile, exact: boolean, height: number, width: number): Promise<Uint8Array> {
  try {
    const image = sharp(file.bytes, { limitInputPixels: MOST_PIXELS, failOn: 'error' }).autoOrient()
    if (!exact) image.resize(width, height, { fit: 'cover', kernel: 'lanczos3' })
    const { data, info } = await image.flatten().toColourspace('srgb').raw().toBuffer({ resolveWithObject: true })
    if (info.height === height && info.width === width && info.channels === 3) return data
    throw new ConvoyError(
      'data',
      `${file.path} is ${info.height}x${info.width} (height x width) where the first image is ${height}x${width}; give one size: \`convoy data import <path> --size ${height}x${width}\`.`,
    )
  } catch (error) {
    if (error instanceof ConvoyError) throw error
    throw unreadable(file, error)
  }
}

/**
 * Decodes one image file to a model's input: scaled, and cut at the centre where the ratio of the sides differs.
 * @returns uint8, `[height, width, channels]`; channels 1 is grey, 3 is RGB
 * @throws ConvoyError('data') when it cannot be decoded
 */
export async function decodeImageFile(
  file: string,
  { height, width, channels }: { height: number; width: number; channels: number },
): Promise<Uint8Array> {
  try {
    return await sharp(file, { limitInputPixels: MOST_PIXELS, failOn: 'error' })
      .autoOrient()
      .resize(width, height, { fit: 'cover', kernel: 'lanczos3' })
      .flatten()
      .toColourspace(channels === 1 ? 'b-w' : 'srgb')
      .raw()
      .toBuffer()
  } catch (error) {
    throw unreadable({ path: file, bytes: Buffer.alloc(0) }, error)
  }
}

function unreadable(file: ImageFile, error: unknown): ConvoyError {
  return new ConvoyError(
    'data',
    `${file.path} cannot be decoded as an image: ${(error as Error).message.split('\n')[0]}.`,
    { cause: error },
  )
}
