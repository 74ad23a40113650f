import { stat } from 'node:fs/promises'
import path from 'node:path'
import { decodeImageFile } from '../../data/formats/decode-images.js'
import { sortWalk } from '../../data/formats/image-folder.js'
import { IMAGE_FORMATS } from '../../data/formats/image-names.js'
import type { LeftOut } from '../../data/formats/left-out.js'
import { describeLeftOut } from '../../data/formats/left-out.js'
import type { Engine } from '../engine/engine.js'
import type { ClassProbability } from './predict-samples.js'
import { imageShapeOf } from '../../model/parameter-layout.js'
import type { RunDescription } from '../../model/run-description.js'
import { ConvoyError } from '../../shared/errors.js'
import { walkDirectory } from '../../shared/walk-directory.js'

/** What a model says of one image. */
export interface Prediction {
  readonly file: string
  /** Most probable first. */
  readonly classes: readonly ClassProbability[]
}

/** What a model says of images. */
export interface Predictions {
  readonly predictions: readonly Prediction[]
  /** Files that could not be decoded, with the reason. */
  readonly unreadable: readonly { readonly file: string; readonly reason: string }[]
}

export interface FoundImages {
  readonly files: readonly string[]
  /** Files that may be images but cannot be read. */
  readonly unreadable: Predictions['unreadable']
  /** Other entries of the directories, counted by reason. */
  readonly leftOut: readonly LeftOut[]
}

const BATCH = 64

/**
 * Finds image files among the paths. Directories are searched in the order of names, by the rules of the import.
 * @param report receives progress lines of a long search
 * @throws ConvoyError('usage') when a path or all images are missing
 */
export async function findImages(paths: readonly string[], report: (line: string) => void): Promise<FoundImages> {
  const files: string[] = []
  const unreadable: { file: string; reason: string }[] = []
  const leftOut: LeftOut[] = []
  for (const place of paths) {
    const found = await stat(place).catch((error: unknown) => (error as NodeJS.ErrnoException).code)
    if (found === 'ENOENT') throw new ConvoyError('usage', `${place}: there is no such file or directory.`)
    // Decoding reports any other problem.
    if (found === undefined || typeof found === 'string' || !found.isDirectory()) {
      files.push(place)
      continue
    }
    const sorted = await sortWalk(place, await walkDirectory(place, report))
    files.push(...sorted.images.map((image) => path.join(place, image.path)))
    for (const problem of sorted.problems) {
      if (problem.reason === 'repeated') sorted.leftOut.add('repeated', problem.path)
      else unreadable.push({ file: path.join(place, problem.path), reason: problem.message })
    }
    leftOut.push(...sorted.leftOut.list())
  }
  if (files.length === 0 && unreadable.length === 0) {
    const others = leftOut.length === 0 ? '' : ` ${describeLeftOut(leftOut).join('. ')}.`
    throw new ConvoyError('usage', `${paths.join(', ')}: no images (${IMAGE_FORMATS}) found.${others}`)
  }
  return { files, unreadable, leftOut }
}

/**
 * Classifies image files. Each is scaled to the model's input and cropped at the centre if its aspect ratio differs.
 * @param top number of classes to return for each image
 * @throws ConvoyError('usage') for a model whose input is no image
 */
export async function predictImages(
  engine: Engine,
  { model, dataset }: RunDescription,
  files: readonly string[],
  top: number,
): Promise<Predictions> {
  const { height, width, channels } = imageShapeOf(model)
  const imageBytes = height * width * channels
  const predictions: Prediction[] = []
  const unreadable: { file: string; reason: string }[] = []
  for (let first = 0; first < files.length; first += BATCH) {
    const decoded: { file: string; pixels: Uint8Array }[] = []
    for (const file of files.slice(first, first + BATCH)) {
      try {
        decoded.push({ file, pixels: await decodeImageFile(file, { height, width, channels }) })
      } catch (error) {
        // The image is not to blame.
        if ((error as ConvoyError).code === 'environment') throw error
        unreadable.push({ file, reason: ConvoyError.from(error).message })
      }
    }
    if (decoded.length === 0) continue
    const pixels = new Uint8Array(decoded.length * imageBytes)
    decoded.forEach((image, index) => {
      pixels.set(image.pixels, index * imageBytes)
    })
    const probabilities = engine.predict([pixels])
    decoded.forEach(({ file }, index) => {
      const row = probabilities.subarray(index * model.classCount, (index + 1) * model.classCount)
      const classes = Array.from(row, (probability, label) => ({ name: dataset.classNames[label]!, probability }))
      classes.sort((a, b) => b.probability - a.probability)
      predictions.push({ file, classes: classes.slice(0, top) })
    })
  }
  return { predictions, unreadable }
}
