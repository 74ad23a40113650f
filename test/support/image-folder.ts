import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import sharp from 'sharp'
import { datasetsDirectory } from '../../src/data/cache/packed-cache.js'
import { cacheDirectory } from '../../src/shared/cache-directory.js'
import { SeededDraws } from '../../src/simulation/seeded-draws.js'

/** Colours of classes that a network distinguishes after some steps. */
export const COLOURS = { bird: [200, 40, 40], cat: [40, 200, 40], dog: [40, 40, 200] } as const
const SIDE = 16
const NOISE = 40

/** A directory for image folders, and a cache of its own with this machine's runtime. */
export class ImageScratch {
  readonly directory = mkdtempSync(path.join(os.tmpdir(), 'convoy-images-'))

  /** @returns the environment of processes that use a cache of this name */
  cache(name = 'cache'): NodeJS.ProcessEnv {
    const cache = path.join(this.directory, name)
    mkdirSync(path.join(cache, 'datasets'), { recursive: true })
    symlinkSync(path.join(cacheDirectory(), 'runtime'), path.join(cache, 'runtime'))
    // Otherwise every process would decode the embedded data set.
    for (const fingerprint of readdirSync(datasetsDirectory()).filter((entry) => /^[0-9a-f]{64}$/.test(entry)))
      symlinkSync(path.join(datasetsDirectory(), fingerprint), path.join(cache, 'datasets', fingerprint))
    return { CONVOY_CACHE: cache }
  }

  /**
   * Writes a folder of images: each class is a colour with noise.
   * @param classes colour by class name
   * @param indices of the images of each class; an image depends only on its class colour and index
   * @param fileOf an image's file name without its extension
   */
  async folder(
    name: string,
    classes: Readonly<Record<string, readonly [number, number, number]>>,
    indices: readonly number[],
    { side = SIDE, fileOf = (index: number): string => String(index).padStart(4, '0') } = {},
  ): Promise<string> {
    const directory = path.join(this.directory, name)
    for (const [className, colour] of Object.entries(classes)) {
      mkdirSync(path.join(directory, className), { recursive: true })
      for (const index of indices) {
        const draws = new SeededDraws(index + 1000 * colour[0])
        const pixels = Uint8Array.from({ length: side * side * 3 }, (_, at) => colour[at % 3]! + draws.below(NOISE))
        await sharp(pixels, { raw: { height: side, width: side, channels: 3 } })
          .png()
          .toFile(path.join(directory, className, `${fileOf(index)}.png`))
      }
    }
    return directory
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** `count` numbers from `first` on. */
export function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first + index)
}
