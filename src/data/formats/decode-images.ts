import os from 'node:os'
import { ConvoyError } from '../../shared/errors.js'
import { readRegularFile } from '../../shared/read-file.js'
import { shellWord } from '../../shared/shell-word.js'
import type { DecodedImages as ImageArrays } from './dataset-format.js'
import { MAX_CLASSES } from '../dataset.js'
import type { ImageFile } from './image-collection.js'
import { describeOthers, MAX_IMAGE_BYTES } from './image-collection.js'
import { checkPackedSize } from '../cache/packed-layout.js'

/** The least that `--size` takes, of height and of width. */
export const MIN_SIZE = 8
/** A photo's own size is hardly one to train with. */
const MAX_PROPOSED_SIZE = 256
const PROPOSED_SIZE = { height: 64, width: 64 }

export interface DecodeOptions {
  readonly name: string
  /** The folder or archive, for messages. */
  readonly source: string
  /** What messages call the file of a path. */
  readonly placeOf: (path: string) => string
  /** NFC, sorted. */
  readonly classNames: readonly string[]
  /** Of each file. */
  readonly classes: readonly string[]
  /** Every image is scaled to it, and cut at the centre; undefined takes the first image's and wants all to have it. */
  readonly size?: { readonly height: number; readonly width: number } | undefined
  /** Where it is there, it takes the paths of images that cannot be decoded, and these are left out. */
  readonly onBroken?: ((path: string) => void) | undefined
  readonly onProgress: (done: number, total: number) => void
}

export interface DecodedImages {
  readonly decoded: ImageArrays
  /** Of how many images other frames or pages were left out. */
  readonly firstOfSeveral: number
}

/**
 * Decodes image files to RGB of one size.
 * @throws ConvoyError('data') naming the file that cannot be decoded or has another size, or when there are no two classes
 */
export async function decodeImages(
  files: readonly ImageFile[],
  { name, source, placeOf, classNames, classes, size, onBroken, onProgress }: DecodeOptions,
): Promise<DecodedImages> {
  if (classNames.length < 2 || classNames.length > MAX_CLASSES) {
    throw new ConvoyError(
      'data',
      `${source}: ${classNames.length} classes found; put the images of each class into a directory of its own (2 to ${MAX_CLASSES}).`,
    )
  }
  const { height, width, example } = size === undefined ? await firstSize() : { ...size, example: '' }
  checkPackedSize(name, { count: files.length, height, width, channels: 3 })
  const imageBytes = height * width * 3
  const pixels = new Uint8Array(files.length * imageBytes)
  const broken = new Set<number>()
  let firstOfSeveral = 0

  let next = 0
  const decodeNext = async (): Promise<void> => {
    for (let index = next++; index < files.length; index = next++) {
      try {
        await decode(index)
      } catch (error) {
        // The others stop at their next image.
        next = files.length
        throw error
      }
      if (index % 100 === 0) onProgress(index, files.length)
    }
  }
  await Promise.all(Array.from({ length: os.availableParallelism() * 2 }, decodeNext))

  const kept = [...files.keys()].filter((index) => !broken.has(index))
  kept.forEach((from, to) => {
    if (from !== to) pixels.copyWithin(to * imageBytes, from * imageBytes, (from + 1) * imageBytes)
  })
  const labelOf = new Map(classNames.map((className, label) => [className, label]))
  const decoded = {
    ...{ name, count: kept.length, height, width, channels: 3, classNames },
    pixels: pixels.subarray(0, kept.length * imageBytes),
    labels: Uint16Array.from(kept, (index) => labelOf.get(classes[index]!)!),
  }
  return { decoded, firstOfSeveral }

  async function decode(index: number): Promise<void> {
    const file = files[index]!
    const { decodePixels } = await loadDecoder()
    const image = await decodePixels(file.bytes, placeOf(file.path), 3, size).catch(
      failed(file, () => broken.add(index)),
    )
    if (image === undefined) return
    if (image.height !== height || image.width !== width) {
      const proposed = Math.max(height, width) > MAX_PROPOSED_SIZE ? PROPOSED_SIZE : { height, width }
      throw new ConvoyError(
        'data',
        `${placeOf(file.path)} is ${image.height}x${image.width} where ${example} is ${height}x${width} (height x width). Scale all to one size, ` +
          `for example: convoy data import ${shellWord(source)} --size ${Math.max(MIN_SIZE, proposed.height)}x${Math.max(MIN_SIZE, proposed.width)}.`,
      )
    }
    if (image.hasMore) firstOfSeveral++
    pixels.set(image.pixels, index * imageBytes)
  }

  async function firstSize(): Promise<{ height: number; width: number; example: string }> {
    for (const file of files) {
      const { sizeOfImage } = await loadDecoder()
      const found = await sizeOfImage(file.bytes, placeOf(file.path)).catch(failed(file, () => undefined))
      if (found !== undefined) return { ...found, example: file.path }
    }
    throw new ConvoyError('data', `${source}: none of the ${files.length} images can be decoded.`)
  }

  function failed(file: ImageFile, leaveOut: () => unknown): (error: unknown) => undefined {
    return (error) => {
      if (!(error instanceof ConvoyError)) throw error
      if (onBroken === undefined)
        throw new ConvoyError(error.code, `${error.message}${describeOthers(source, 0)}`, { cause: error })
      if (leaveOut() !== undefined) onBroken(file.path)
      return undefined
    }
  }
}

/**
 * Decodes one image file to a model's input: scaled, and cut at the centre where the ratio of the sides differs.
 * @returns uint8, `[height, width, channels]`; channels 1 is grey, 3 is RGB
 * @throws ConvoyError('data') when it cannot be read or decoded, or is no regular file
 */
export async function decodeImageFile(
  file: string,
  { height, width, channels }: { height: number; width: number; channels: number },
): Promise<Uint8Array> {
  const { decodePixels } = await loadDecoder()
  const { pixels } = await decodePixels(readRegularFile(file, MAX_IMAGE_BYTES, 'data'), file, channels, {
    height,
    width,
  })
  return pixels
}

/** Loaded for the first image: it has a large native library, which runs on data in the cache do not need. */
async function loadDecoder(): Promise<typeof import('./decode-pixels.js')> {
  return import('./decode-pixels.js')
}
