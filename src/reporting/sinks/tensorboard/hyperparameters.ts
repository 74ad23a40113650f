import type { RunConfig } from '../../../model/config/run-config.js'
import type { SummaryValue } from './event-file.js'
import { NO_TENSOR, tensorboardType } from './event-file.js'

/** What a table of runs can sort and filter by. */
export type Hyperparameters = Readonly<Record<string, number | string | boolean>>

const PREFIX = '_hparams_/'
const SESSION_END = 'session_end_info'

/** Each value of a config by its path, as `--set` takes it (`optimizer.momentum`). Null has no value; lists are text. */
export function hyperparametersOf(config: RunConfig): Hyperparameters {
  return Object.fromEntries(leaves(config))
}

/**
 * What the plugin for hyperparameters reads when a run begins. Which of them there are, and the metrics beside them, TensorBoard finds by
 * itself over all runs; a list of them in one run would hide what others have.
 * @param run its name in the table; @param wallSeconds since 1970
 */
export function sessionStart(run: string, hyperparameters: Hyperparameters, wallSeconds: number): SummaryValue {
  const hparams = Object.fromEntries(Object.entries(hyperparameters).map(([name, value]) => [name, wrapped(value)]))
  return entry('session_start_info', { sessionStartInfo: { hparams, groupName: run, startTimeSecs: wallSeconds } })
}

/** When a run ends; one that is killed never does. @param wallSeconds since 1970 */
export function sessionEnd(status: 'STATUS_SUCCESS' | 'STATUS_FAILURE', wallSeconds: number): SummaryValue {
  return entry(SESSION_END, { sessionEndInfo: { status, endTimeSecs: wallSeconds } })
}

/** @returns whether a tag is that of {@link sessionEnd} */
export function isSessionEnd(tag: string): boolean {
  return tag === PREFIX + SESSION_END
}

function entry(name: string, data: object): SummaryValue {
  const type = tensorboardType('HParamsPluginData')
  const content = type.encode(type.fromObject(data)).finish()
  return { tag: PREFIX + name, tensor: NO_TENSOR, plugin: { pluginName: 'hparams', content } }
}

function wrapped(value: number | string | boolean): object {
  if (typeof value === 'number') return { numberValue: value }
  return typeof value === 'boolean' ? { boolValue: value } : { stringValue: value }
}

function leaves(value: unknown, path = ''): [string, number | string | boolean][] {
  if (value === null || value === undefined) return []
  if (Array.isArray(value)) return [[path, JSON.stringify(value)]]
  if (typeof value === 'object')
    return Object.entries(value).flatMap(([key, child]) => leaves(child, path === '' ? key : `${path}.${key}`))
  return [[path, value as number | string | boolean]]
}
