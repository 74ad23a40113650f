import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { EMBEDDED_FINGERPRINT } from '../../src/data/embedded.js'
import { datasetsDirectory } from '../../src/data/cache/packed-cache.js'
import { cacheDirectory } from '../../src/shared/cache-directory.js'
import { SeededDraws } from '../../src/simulation/seeded-draws.js'
import { writeIdx } from './write-idx.js'

const SAMPLES = 1_200
const SIDE_PIXELS = 16
const CLASSES = 4

/** A small data set in a cache of its own: some hundred steps take seconds. */
export interface TinyDataset {
  /** For `--data`. */
  readonly directory: string
  /** Environment of processes that use it: a cache with the runtime and the data sets of this machine. */
  readonly environment: NodeJS.ProcessEnv
  remove(): void
}

/** Grey noise, brighter with each class, so that gradients are not zero. */
export function tinyDataset(): TinyDataset {
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-faults-'))
  const directory = path.join(scratch, 'tiny')
  const cache = path.join(scratch, 'cache')
  mkdirSync(directory)
  mkdirSync(cache)
  mkdirSync(path.join(cache, 'datasets'))
  symlinkSync(path.join(cacheDirectory(), 'runtime'), path.join(cache, 'runtime'))
  // Otherwise every process without `--data`, such as a worker, would decode the embedded data set.
  const embedded = path.join(datasetsDirectory(), EMBEDDED_FINGERPRINT)
  if (existsSync(embedded)) symlinkSync(embedded, path.join(cache, 'datasets', EMBEDDED_FINGERPRINT))
  const draws = new SeededDraws(1)
  const labels = Buffer.alloc(SAMPLES).map((_, sample) => sample % CLASSES)
  const pixels = Buffer.alloc(SAMPLES * SIDE_PIXELS ** 2).map(
    (_, index) => 40 * labels[Math.floor(index / SIDE_PIXELS ** 2)]! + draws.below(100),
  )
  writeIdx(directory, { count: SAMPLES, height: SIDE_PIXELS, width: SIDE_PIXELS, pixels, labels })
  return {
    directory,
    environment: { CONVOY_CACHE: cache },
    remove: () => {
      rmSync(scratch, { recursive: true, force: true })
    },
  }
}
