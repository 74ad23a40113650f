import path from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import type { FrozenTensor } from '../model/frozen-weights.js'
import { loadTrainedModel, modelIn } from '../exports/trained-model.js'
import type { WeightsName } from '../exports/trained-model.js'
import type { RunConfig } from '../model/config/run-config.js'
import { runConfigSchema } from '../model/config/run-config.js'
import { statusSchema } from '../reporting/kept-status.js'
import { isRunGoingOn } from '../reporting/run-lock.js'
import type { MetricsLine } from '../reporting/sinks/metrics-line.js'
import { ConvoyError } from '../shared/errors.js'
import { MAX_CONFIG_BYTES, MAX_JSON_BYTES, readTextIfThere } from '../shared/read-file.js'
import type { RunResult } from '../training/run-events.js'
import { readMetricsLines } from './follow-metrics.js'
import { readResult } from './read-result.js'

/**
 * How a run stands. running: its coordinator lives. finished: after its last step. stopped: by `stop` or SIGTERM. interrupted: by Ctrl-C. failed: with an error.
 * unfinished: its coordinator was killed; `resume` goes on with it. unknown: ended in an earlier version that did not record how.
 */
export type RunStatus = 'running' | 'finished' | 'stopped' | 'interrupted' | 'failed' | 'unfinished' | 'unknown'

/** Values of one tensor of a model. */
export interface NamedWeights {
  readonly shape: readonly number[]
  /** `[…shape]` */
  readonly values: Float32Array
}

/** A run directory, as {@link loadRun} reads it. */
export interface LoadedRun {
  /** Absolute. */
  readonly directory: string
  readonly config: RunConfig
  readonly status: RunStatus
  /** Absent: the run has not ended, or it ended before its evaluation. */
  readonly result?: RunResult
  /** The lines of metrics.jsonl so far. */
  metrics(): AsyncGenerator<MetricsLine>
  /**
   * All weights by name, as a LayersModel calls them. They are checked against their sha256.
   * @throws ConvoyError('usage') when the run has none, ConvoyError('data') when they are damaged
   */
  weights(which?: 'best' | 'last'): Promise<ReadonlyMap<string, NamedWeights>>
  /**
   * Directory of the saved LayersModel, with `model.json`, for `tf.loadLayersModel` and {@link train}.
   * @throws ConvoyError('usage') when the run has none
   */
  model(which?: 'best' | 'last'): string
}

/**
 * Reads a run directory, of a run that is over or goes on.
 * @throws ConvoyError('usage') when it is none, ConvoyError('data') when its files are damaged
 */
export function loadRun(directory: string): LoadedRun {
  const place = path.resolve(directory)
  const result = readResult(place)
  return {
    directory: place,
    config: readConfig(place),
    status: statusOf(place, result),
    ...(result && { result }),
    metrics: () => readMetricsLines(place),
    weights: async (which = 'best') => weightsOf(place, which),
    model: (which = 'best') => modelOf(place, which),
  }
}

function readConfig(directory: string): RunConfig {
  const file = path.join(directory, 'config.yaml')
  const text = readTextIfThere(file, MAX_CONFIG_BYTES)
  if (text === undefined)
    throw new ConvoyError(
      'usage',
      `${directory} is no run directory: it lacks config.yaml. Name one such as runs/20261123T193039Z_quick.`,
    )
  return checked(file, () => runConfigSchema.parse(parse(text)))
}

function statusOf(directory: string, result: RunResult | undefined): RunStatus {
  if (isRunGoingOn(directory)) return 'running'
  const file = path.join(directory, 'status.json')
  const text = readTextIfThere(file, MAX_JSON_BYTES)
  const ofEnd = z.object({ end: statusSchema.shape.end })
  const end = text === undefined ? undefined : checked(file, () => ofEnd.parse(JSON.parse(text))).end
  return end?.kind ?? (result === undefined ? 'unfinished' : 'finished')
}

/** @throws ConvoyError('data') naming the file */
function checked<Content>(file: string, read: () => Content): Content {
  try {
    return read()
  } catch (error) {
    throw new ConvoyError(
      'data',
      `${file} is damaged, or from another version of Convoy: ${(error as Error).message}. Use that version.`,
      { cause: error },
    )
  }
}

async function weightsOf(directory: string, which: WeightsName): Promise<ReadonlyMap<string, NamedWeights>> {
  const { description, weights, frozen } = await loadTrainedModel(directory, which)
  const { model } = description
  const cut = (vector: Float32Array, tensors: readonly FrozenTensor[]): [string, NamedWeights][] =>
    tensors.map(({ name, shape, offset, size }) => [name, { shape, values: vector.slice(offset, offset + size) }])
  return new Map([...cut(weights, model.layout.tensors), ...(frozen ? cut(frozen, model.frozen!.tensors) : [])])
}

function modelOf(directory: string, which: WeightsName): string {
  const saved = modelIn(directory, which)
  if (saved !== undefined) return path.join(saved, 'layers-model')
  throw new ConvoyError('usage', `${directory} has no ${which} weights yet; a run has them after its first validation.`)
}
