import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import sharp from 'sharp'
import { learnableData } from '../fit/fit-data.js'

const CHANNELS = 3
const [IMAGE_CLASSES, SIDE] = [10, 96]
/** Images are scaled up from this side. */
const DRAWN_SIDE = 12
const [TEXT_CLASSES, LENGTH, TOKENS] = [2, 50, 1_000]

/**
 * Writes images of 96x96 pixels, in a directory for each of ten classes.
 * @param directory gets the directory of the images
 * @returns its path
 */
export async function writeImages(samples: number, directory: string): Promise<string> {
  const images = path.join(directory, 'images')
  for (let label = 0; label < IMAGE_CLASSES; label++) mkdirSync(path.join(images, `${label}`), { recursive: true })
  const { x, y } = learnableData({ inputShape: [DRAWN_SIDE, DRAWN_SIDE, CHANNELS], classes: IMAGE_CLASSES }, samples)
  const drawn = Uint8Array.from(x, (value) => 255 * value)
  const size = drawn.length / samples
  for (const [sample, label] of y.entries())
    await sharp(drawn.subarray(sample * size, (sample + 1) * size), {
      raw: { width: DRAWN_SIDE, height: DRAWN_SIDE, channels: CHANNELS },
    })
      .resize(SIDE, SIDE)
      .png({ compressionLevel: 1 })
      .toFile(path.join(images, `${label}`, `${sample}.png`))
  return images
}

/**
 * Writes a table of 50 token ids, 0 to 999, and one of two classes in each line.
 * @param directory gets the table
 * @returns its path
 */
export async function writeTokens(samples: number, directory: string): Promise<string> {
  const file = path.join(directory, 'tokens.csv')
  const { x, y } = learnableData({ inputShape: [LENGTH], classes: TEXT_CLASSES }, samples)
  const names = [...Array.from({ length: LENGTH }, (_, index) => `token${index}`), 'opinion']
  const lines = Array.from(y, (label, sample) => {
    const ids = Array.from(x.subarray(sample * LENGTH, (sample + 1) * LENGTH), (value) => Math.floor(TOKENS * value))
    return [...ids, label === 0 ? 'bad' : 'good']
  })
  writeFileSync(file, [names, ...lines].map((line) => `${line.join(',')}\n`).join(''))
  return Promise.resolve(file)
}
