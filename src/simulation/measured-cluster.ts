import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { RunResult } from '../coordinator/run-events.js'
import { ConvoyError } from '../shared/errors.js'
import type { WhatIf } from './predict-throughput.js'

/**
 * The result of a finished run that tells how long a shard takes.
 * @throws ConvoyError('usage') when there is none, or when the run was too short to measure one
 */
export function readMeasuredRun(directory: string): RunResult {
  let result: RunResult
  try {
    result = JSON.parse(readFileSync(path.join(directory, 'result.json'), 'utf8')) as RunResult
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
 * @param runs one at least; several of one machine tell how much busy cores slow each other
 */
export function measuredCluster(
  runs: readonly RunResult[],
  workers: number,
  cores: number,
): Pick<
  WhatIf,
  'workers' | 'cores' | 'shards' | 'shardSize' | 'shardMs' | 'vectorBytes' | 'resultMs' | 'betweenStepsMs'
> {
  const { config, timing } = runs[0]!
  const { batchSize, shardSize } = config
  const { vectorBytes, resultMs, betweenStepsMs } = timing
  const shardMs = shardMsWith(Math.min(workers, cores), runs)
  return { workers, cores, shards: batchSize / shardSize, shardSize, shardMs, vectorBytes, resultMs, betweenStepsMs }
}

/**
 * Milliseconds of a core for a shard while so many are busy: what the runs measured, linear between two of them, and that of the
 * nearest one beyond them.
 */
function shardMsWith(busy: number, runs: readonly RunResult[]): number {
  const measured = runs.map(({ workers, timing }) => ({ workers, shardMs: timing.shardMs }))
  measured.sort((a, b) => a.workers - b.workers)
  const above = measured.find(({ workers }) => workers >= busy) ?? measured.at(-1)!
  const below = measured.findLast(({ workers }) => workers <= busy) ?? above
  if (above.workers === below.workers) return above.shardMs
  const share = (busy - below.workers) / (above.workers - below.workers)
  return below.shardMs + share * (above.shardMs - below.shardMs)
}
