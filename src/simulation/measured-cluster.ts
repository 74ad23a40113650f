import path from 'node:path'
import { z } from 'zod'
import type { RunResult } from '../training/run-events.js'
import { runConfigSchema } from '../model/config/run-config.js'
import { ConvoyError } from '../shared/errors.js'
import { MAX_JSON_BYTES, readTextIfThere } from '../shared/read-file.js'
import type { ClusterScenario } from './cluster-scenario.js'
import { LOCAL_CLUSTER, MAX_JITTER } from './cluster-scenario.js'

const resultSchema = z.object({
  workers: z.int().positive(),
  /** Results of earlier versions lack it. */
  inputShape: z.tuple([z.number(), z.number(), z.number()]).exactOptional(),
  config: runConfigSchema,
  timing: z.object({
    shardMs: z.number(),
    /** Results of earlier versions lack it. */
    shardJitter: z.number().min(0).exactOptional(),
    resultMs: z.number(),
    betweenStepsMs: z.number(),
    vectorBytes: z.number(),
  }),
}) satisfies z.ZodType<MeasuredRun>

/** Of a finished run: the measurements of the time of a shard. */
type MeasuredRun = Pick<RunResult, 'workers' | 'config' | 'timing'> & Partial<Pick<RunResult, 'inputShape'>>

/**
 * What finished runs of one model measured.
 * @param directories one at least
 * @throws ConvoyError('usage') when one has no result, was too short to measure a shard, or is of another model
 */
export function readMeasuredRuns(directories: readonly string[]): MeasuredRun[] {
  const runs = directories.map(readMeasuredRun)
  const other = runs.findIndex((run) => modelOf(run) !== modelOf(runs[0]!))
  if (other > 0)
    throw new ConvoyError(
      'usage',
      `--from ${directories[other]}: this run's shards are not those of ${directories[0]} (network, precision, shard size, augmentation, image size)`,
    )
  return runs
}

/** Everything that decides how long a shard takes. The weights of a convolution are as many for images of any size. */
function modelOf({ config, timing, inputShape }: MeasuredRun): string {
  const { network, precision, shardSize, augmentation } = config
  return JSON.stringify([network, precision, shardSize, augmentation, timing.vectorBytes, inputShape])
}

function readMeasuredRun(directory: string): MeasuredRun {
  const text = readTextIfThere(path.join(directory, 'result.json'), MAX_JSON_BYTES) ?? ''
  let result: MeasuredRun
  try {
    result = resultSchema.parse(JSON.parse(text))
  } catch (error) {
    throw new ConvoyError('usage', `--from ${directory}: there is no result of a finished run (result.json)`, {
      cause: error,
    })
  }
  const { shardMs, resultMs } = result.timing
  if (!(shardMs > 0 && resultMs > 0))
    throw new ConvoyError('usage', `--from ${directory}: this run was too short to measure a shard; run more steps`)
  return result
}

/**
 * The job of some runs of one model, on as many workers and cores as asked.
 * @param runs one at least; several of one machine show how much busy cores slow each other
 */
export function measuredCluster(
  runs: readonly MeasuredRun[],
  workers: number,
  cores: number,
): Pick<
  ClusterScenario,
  'workers' | 'cores' | 'jitter' | 'shards' | 'shardSize' | 'shardMs' | 'vectorBytes' | 'resultMs' | 'betweenStepsMs'
> {
  const { config, timing } = runs[0]!
  const { batchSize, shardSize } = config
  const { vectorBytes, resultMs, betweenStepsMs } = timing
  const busy = Math.min(workers, cores)
  const shardMs = betweenRuns(busy, runs, ({ shardMs: ms }) => ms)
  const jitter = betweenRuns(busy, runs, ({ shardJitter = LOCAL_CLUSTER.jitter }) => Math.min(shardJitter, MAX_JITTER))
  return {
    workers,
    cores,
    shards: batchSize / shardSize,
    shardSize,
    shardMs,
    jitter,
    vectorBytes,
    resultMs,
    betweenStepsMs,
  }
}

/** What the runs measured, linear between two of them, and that of the nearest one beyond them. @param busy cores */
function betweenRuns(
  busy: number,
  runs: readonly MeasuredRun[],
  valueOf: (timing: MeasuredRun['timing']) => number,
): number {
  const measured = runs.map(({ workers, timing }) => ({ workers, value: valueOf(timing) }))
  measured.sort((a, b) => a.workers - b.workers)
  const above = measured.find(({ workers }) => workers >= busy) ?? measured.at(-1)!
  const below = measured.findLast(({ workers }) => workers <= busy) ?? above
  if (above.workers === below.workers) return above.value
  const share = (busy - below.workers) / (above.workers - below.workers)
  return below.value + share * (above.value - below.value)
}
