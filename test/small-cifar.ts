import { mkdirSync } from 'node:fs'
import path from 'node:path'
import sharp from 'sharp'
import { EMBEDDED_FINGERPRINT, ensureEmbeddedDataset } from '../src/data/embedded.js'
import { loadPackedDataset } from '../src/data/packed-cache.js'
import type { TinyDataset } from './chaos/tiny-dataset.js'
import { datasetInScratch } from './chaos/tiny-dataset.js'

const SAMPLES = 600

/**
 * The first images of CIFAR-10, as PNG in class directories. The images of the whole are trained as fast, but the evaluations at the end
 * of each run take 16 processor seconds there.
 */
export async function smallCifar(): Promise<TinyDataset> {
  await ensureEmbeddedDataset(() => undefined)
  const { pixels, labels, classNames, height, width, channels } = (await loadPackedDataset(EMBEDDED_FINGERPRINT))!
  const small = datasetInScratch('small')
  for (const name of classNames) mkdirSync(path.join(small.directory, name))
  const size = height * width * channels
  for (let sample = 0; sample < SAMPLES; sample++) {
    const file = path.join(small.directory, classNames[labels[sample]!]!, `${sample}.png`)
    const raw = { width, height, channels: channels as 3 }
    await sharp(pixels.slice(sample * size, (sample + 1) * size), { raw })
      .png()
      .toFile(file)
  }
  return small
}
