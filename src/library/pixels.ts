import path from 'node:path'
import { ConvoyError } from '../shared/errors.js'

/** A decoded image. */
export interface Pixels {
  /** uint8, `[height, width, channel]`, 0 to 255; channels: 1 is grey, 3 RGB, 4 RGB with transparency, as of a canvas. */
  readonly data: Uint8Array | Uint8ClampedArray
  readonly width: number
  readonly height: number
}

/** Their paths are words of one command line. */
const MAX_IMAGES = 10_000

/**
 * Writes pixels as image files without loss.
 * @param images paths stay as they are
 * @returns the files in the order of the images, and what messages call those that were written
 * @throws ConvoyError('usage') for pixels of another size than they say, or too many images
 */
export async function savePixels(
  images: readonly (string | Pixels)[],
  directory: string,
): Promise<{ readonly files: readonly string[]; readonly names: ReadonlyMap<string, string> }> {
  if (images.length > MAX_IMAGES)
    throw new ConvoyError(
      'usage',
      `predict: ${images.length} images are more than the ${MAX_IMAGES} of one call; name a directory, or predict in parts.`,
    )
  // Imported here: it takes 0.2 s to load.
  const { default: sharp } = await import('sharp')
  const names = new Map<string, string>()
  const files: string[] = []
  for (const [index, image] of images.entries()) {
    if (typeof image === 'string') {
      files.push(image)
      continue
    }
    const { data, width, height } = image
    const channels = data.length / (width * height)
    if (channels !== 1 && channels !== 3 && channels !== 4)
      throw new ConvoyError(
        'usage',
        `predict: pixels ${index} has ${data.length} bytes for ${width}x${height} pixels; give 1, 3 or 4 for each.`,
      )
    const file = path.join(directory, `${index}.png`)
    await sharp(data, { raw: { width, height, channels } }).png({ compressionLevel: 0 }).toFile(file)
    names.set(file, `pixels ${index}`)
    files.push(file)
  }
  return { files, names }
}
