import type { LayersModel } from '@tensorflow/tfjs'
import { packedBytes } from '../data/cache/packed-layout.js'
import type { DatasetInfo } from '../data/dataset.js'
import { tightestLimit } from '../shared/memory-limits.js'
import { counted, formatBytes } from '../shared/units.js'

/** Memory of a worker that the kernel cannot reclaim, measured without data set and network. TensorFlow's libraries, 300 MB, are shared. */
export const BASE_WORKER_BYTES = 185e6
const COORDINATOR_BYTES = 100e6

/** Measured memory of a worker with the recipe `quick` on CIFAR-10. */
export const QUICK_WORKER_BYTES = 430e6

/**
 * Minimum memory of a worker on a CPU: TensorFlow, the data set, and each layer's output for a shard. Measured memory is 1.04 times as much
 * with resnet8, 1.14 times with resnet20, and 1.8 times with resnet18 and shards of 128.
 * @param samplesBytes of the whole data set, decoded
 */
export function leastWorkerBytes({ layers }: LayersModel, samplesBytes: number, shardSize: number): number {
  const floats = layers.reduce((sum, { outputShape }) => {
    const [, ...sizes] = outputShape as (number | null)[]
    return sum + sizes.reduce<number>((product, size) => product * (size ?? 1), 1)
  }, 0)
  return BASE_WORKER_BYTES + samplesBytes + Float32Array.BYTES_PER_ELEMENT * floats * shardSize
}

/**
 * Whether the memory that this process may use is clearly too small for a coordinator and its workers.
 * @param workers on this machine, at least 1
 * @param workerBytes minimum memory of each worker
 * @returns the shortage and the remedy; undefined when none is found
 */
export function memoryShortage(
  workers: number,
  workerBytes: number,
): { readonly found: string; readonly remedy: string } | undefined {
  const { bytes, place } = tightestLimit()
  const needBytes = COORDINATOR_BYTES + workers * workerBytes
  if (needBytes <= bytes) return undefined
  const fit = Math.floor((bytes - COORDINATOR_BYTES) / workerBytes)
  return {
    found: `${counted(workers, 'worker')} and the coordinator need at least ${formatBytes(needBytes)}, and ${place} allows ${formatBytes(bytes)}`,
    remedy: `${fit > 0 ? `use \`--workers ${fit}\`, or ` : ''}allow at least ${formatBytes(needBytes)}`,
  }
}

/**
 * Whether the memory that this process may use is clearly too small for one worker.
 * @returns sentences with the remedy; undefined when no shortage is found
 */
export function workerShortage(dataset: DatasetInfo): string | undefined {
  const { bytes, place } = tightestLimit()
  const needBytes = BASE_WORKER_BYTES + packedBytes(dataset)
  if (needBytes <= bytes) return undefined
  return `This worker needs at least ${formatBytes(needBytes)}, and ${place} allows ${formatBytes(bytes)}: it will be killed. Allow more memory.`
}
