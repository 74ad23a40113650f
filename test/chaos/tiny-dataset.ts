import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { EMBEDDED_FINGERPRINT } from '../../src/data/embedded.js'
import { datasetsDirectory } from '../../src/data/packed-cache.js'
import { cacheDirectory } from '../../src/shared/cache-directory.js'
import { SeededDraws } from '../../src/simulation/seeded-draws.js'

const SAMPLES = 1_200
const SIDE_PIXELS = 16
const CLASSES = 4

/** A data set so small that a run of some hundred steps takes seconds, in a cache of its own. */
export interface TinyDataset {
  /** For `--data`. */
  readonly directory: string
  /** For the processes that use it: a cache with the runtime and the data sets of this machine's own. */
  readonly environment: NodeJS.ProcessEnv
  remove(): void
}

/** Grey noise, brighter with each class: enough for a gradient that is not zero. */
export function tinyDataset(): TinyDataset {
  const tiny = datasetInScratch('tiny')
  const draws = new SeededDraws(1)
  const labels = Buffer.alloc(SAMPLES).map((_, sample) => sample % CLASSES)
  const pixels = Buffer.alloc(SAMPLES * SIDE_PIXELS ** 2).map(
    (_, index) => 40 * labels[Math.floor(index / SIDE_PIXELS ** 2)]! + draws.below(100),
  )
  writeFileSync(
    path.join(tiny.directory, 'train-images-idx3-ubyte'),
    idx(0x803, [SAMPLES, SIDE_PIXELS, SIDE_PIXELS], pixels),
  )
  writeFileSync(path.join(tiny.directory, 'train-labels-idx1-ubyte'), idx(0x801, [SAMPLES], labels))
  return tiny
}

/** An empty directory of that name for a data set, and the rest. */
export function datasetInScratch(name: string): TinyDataset {
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-faults-'))
  const directory = path.join(scratch, name)
  const cache = path.join(scratch, 'cache')
  mkdirSync(directory)
  mkdirSync(cache)
  mkdirSync(path.join(cache, 'datasets'))
  symlinkSync(path.join(cacheDirectory(), 'runtime'), path.join(cache, 'runtime'))
  // Or every process without `--data`, such as a worker, would decode the data set that ships with Convoy.
  const embedded = path.join(datasetsDirectory(), EMBEDDED_FINGERPRINT)
  if (existsSync(embedded)) symlinkSync(embedded, path.join(cache, 'datasets', EMBEDDED_FINGERPRINT))
  return {
    directory,
    environment: { CONVOY_CACHE: cache },
    remove: () => {
      rmSync(scratch, { recursive: true, force: true })
    },
  }
}

/** The file format of MNIST: magic number and dimensions, big-endian, then bytes. */
function idx(magic: number, dimensions: readonly number[], bytes: Uint8Array): Buffer {
  const header = Buffer.alloc(4 * (1 + dimensions.length))
  for (const [index, value] of [magic, ...dimensions].entries()) header.writeUInt32BE(value, 4 * index)
  return Buffer.concat([header, bytes])
}
