import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { IMAGE_NAME } from '../../data/image-archive.js'
import { decodeImageFile } from '../../data/decode-images.js'
import type { Engine } from '../../engine/engine.js'
import type { RunDescription } from '../../model/run-description.js'
import { ConvoyError } from '../../shared/errors.js'

export interface Prediction {
  readonly file: string
  /** Most probable first. */
  readonly classes: readonly { readonly name: string; readonly probability: number }[]
}

export interface Predictions {
  readonly predictions: readonly Prediction[]
  /** Files that could not be decoded, with the reason. */
  readonly unreadable: readonly { readonly file: string; readonly reason: string }[]
}

const BATCH = 64

/** Image files among the paths; directories are searched through, in the order of their names. @throws ConvoyError('usage') */
export async function findImages(paths: readonly string[]): Promise<string[]> {
  const files: string[] = []
  for (const place of paths) {
    const found = await stat(place).catch(() => undefined)
    if (found === undefined) throw new ConvoyError('usage', `${place}: there is no such file or directory.`)
    if (!found.isDirectory()) {
      files.push(place)
      continue
    }
    const entries = await readdir(place, { recursive: true })
    files.push(
      ...entries
        .filter((name) => IMAGE_NAME.test(name))
        .sort()
        .map((name) => path.join(place, name)),
    )
  }
  if (files.length === 0)
    throw new ConvoyError('usage', `${paths.join(', ')}: no images (jpg, png, webp, gif, tiff, avif) are there.`)
  return files
}

/**
 * Classifies image files. Each is scaled to the model's input and cut at the centre where the sides' ratio differs.
 * @param top how many classes of each image to tell
 */
export async function predictImages(
  engine: Engine,
  { model, dataset }: RunDescription,
  files: readonly string[],
  top: number,
): Promise<Predictions> {
  const [height, width, channels] = model.inputShape
  const imageBytes = height * width * channels
  const predictions: Prediction[] = []
  const unreadable: { file: string; reason: string }[] = []
  for (let first = 0; first < files.length; first += BATCH) {
    const decoded: { file: string; pixels: Uint8Array }[] = []
    for (const file of files.slice(first, first + BATCH)) {
      try {
        decoded.push({ file, pixels: await decodeImageFile(file, { height, width, channels }) })
      } catch (error) {
        unreadable.push({ file, reason: ConvoyError.from(error).message })
      }
    }
    if (decoded.length === 0) continue
    const pixels = new Uint8Array(decoded.length * imageBytes)
    decoded.forEach((image, index) => {
      pixels.set(image.pixels, index * imageBytes)
    })
    const probabilities = engine.predict(pixels)
    decoded.forEach(({ file }, index) => {
      const row = probabilities.subarray(index * model.classCount, (index + 1) * model.classCount)
      const classes = Array.from(row, (probability, label) => ({ name: dataset.classNames[label]!, probability }))
      classes.sort((a, b) => b.probability - a.probability)
      predictions.push({ file, classes: classes.slice(0, top) })
    })
  }
  return { predictions, unreadable }
}
