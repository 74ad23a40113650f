import type { DatasetInfo } from '../../data/dataset.js'
import { statSync } from 'node:fs'
import path from 'node:path'
import { parse } from 'yaml'
import type { z } from 'zod'
import type { RunEnd, RunStatus, Snapshot } from './page-state.js'
import { PhaseTimes } from '../../metrics/phases.js'
import { runConfigSchema } from '../../model/config/run-config.js'
import { ConvoyError } from '../../shared/errors.js'
import { printable } from '../../shared/log/printable.js'
import { isThere } from '../../shared/path-access.js'
import { MAX_CONFIG_BYTES, MAX_JSON_BYTES, readTextIfThere } from '../../shared/read-file.js'
import { environmentSchema, resultSchema, statusSchema } from '../kept-status.js'
import { MAX_METRICS_BYTES } from '../sinks/metrics-file.js'
import { metricsLineSchema } from '../sinks/metrics-line.js'
import type { KeptResult } from '../run-outcome.js'
import { Throughput } from '../throughput.js'
import { Timeline } from './timeline.js'

/**
 * Reads the state of the page from a run directory: `metrics.jsonl`, `config.yaml`, `environment.json` and, if the run was not killed,
 * `status.json` and `result.json`.
 * @throws ConvoyError('usage') when it is no run directory, or one of these files is invalid
 */
export function readTimeline(directory: string): Snapshot & { readonly status: RunStatus } {
  const { lines, config } = readRequired(directory)
  const result = readKept(resultSchema, directory, 'result.json')
  const status = readKept(statusSchema, directory, 'status.json')
  const environment = readKept(environmentSchema, directory, 'environment.json')

  const timeline = new Timeline(directory)
  const phases = new PhaseTimes()
  const throughput = new Throughput()
  let timeSeconds = 0
  let totalSteps = 0
  // A last line without an end was cut off when the process was killed.
  for (const [index, line] of lines.split('\n').slice(0, -1).entries()) {
    const where = `metrics.jsonl, line ${index + 1},`
    const { time, ...event } = checked(metricsLineSchema, directory, where, () => JSON.parse(line))
    timeSeconds = time
    if (event.kind === 'resumed') throughput.resumed(event.step)
    if (event.kind === 'step') {
      if (!event.replayed) throughput.step(event.step, event.durationMs)
      for (const [phase, spent] of Object.entries(event.phaseSeconds))
        phases.record(phase as keyof typeof event.phaseSeconds, spent)
    }
    if (event.kind === 'started') {
      totalSteps = event.totalSteps
      // The line has only the hash. Configuration and result are in files of their own.
      const started = checked(runConfigSchema, directory, 'config.yaml', () => parse(config))
      throughput.started(totalSteps, started.batchSize)
      timeline.observe({ ...event, dataset: event.dataset as DatasetInfo, config: started }, time)
    } else if (event.kind !== 'finished') timeline.observe(event, time)
  }
  if (result) timeline.finish(result)
  const at = new Date(1000 * (status?.timeSeconds ?? timeSeconds)).toISOString()
  const kind = endKindOf(result, totalSteps, status?.state)
  const end: RunEnd | undefined = status?.end ?? (kind && { kind, at })
  const { samplesPerSecond, secondsLeft } = throughput
  const coordinatorPhases = phases.report().map(({ phase, seconds }) => ({ phase, seconds }))
  return {
    ...timeline.snapshot(),
    ...(environment && { environment }),
    // A coordinator that was killed, or is still running, has written no status.
    status: {
      ...{ timeSeconds, samplesPerSecond, secondsLeft, workers: [], workerPhases: [], traffic: [], coordinatorPhases },
      ...status,
      state: end?.kind ?? 'unfinished',
      ...(end && { end }),
    },
  }
}

/** Reads the files that every run has. @throws as {@link readTimeline} */
function readRequired(directory: string): { readonly lines: string; readonly config: string } {
  const advice = 'Name one such as runs/20261123T193039Z_quick.'
  if (!isThere(directory)) throw new ConvoyError('usage', `${directory}: there is no such directory. ${advice}`)
  const isDirectory = statSync(directory).isDirectory()
  const text = (name: string, maxBytes: number): string | undefined =>
    isDirectory ? readTextIfThere(path.join(directory, name), maxBytes) : undefined
  const lines = text('metrics.jsonl', MAX_METRICS_BYTES)
  const config = text('config.yaml', MAX_CONFIG_BYTES)
  if (lines === undefined || config === undefined) {
    const lacking = lines === undefined ? 'metrics.jsonl' : 'config.yaml'
    throw new ConvoyError('usage', `${directory} is no run directory: it lacks ${lacking}. ${advice}`)
  }
  return { lines, config }
}

/** Reads the files that a run may have. @throws as {@link readTimeline} */
function readKept<Schema extends z.ZodType>(
  schema: Schema,
  directory: string,
  name: string,
): z.output<Schema> | undefined {
  const content = readTextIfThere(path.join(directory, name), MAX_JSON_BYTES)
  return content === undefined ? undefined : checked(schema, directory, name, () => JSON.parse(content))
}

/** @throws ConvoyError('usage') naming the place of a missing or invalid value */
function checked<Schema extends z.ZodType>(
  schema: Schema,
  directory: string,
  where: string,
  value: () => unknown,
): z.output<Schema> {
  try {
    return schema.parse(value())
  } catch (error) {
    throw new ConvoyError(
      'usage',
      `${directory}: ${where} cannot be read: ${reasonOf(error as Error)}. It is damaged, or from another version of Convoy ` +
        '(environment.json names it): remove it, or use that version.',
    )
  }
}

/** Kind of the end of a run by a version that did not record it; undefined when it is going on or was killed. */
function endKindOf(
  result: KeptResult | undefined,
  totalSteps: number,
  state: string | undefined,
): RunEnd['kind'] | undefined {
  if (result) {
    const { steps = totalSteps, stoppedEarly = false } = result
    return steps < totalSteps && !stoppedEarly ? 'stopped' : 'finished'
  }
  return state === 'failed' ? 'unknown' : undefined
}

/** The first problem of an invalid value. */
function reasonOf(error: Error | z.ZodError): string {
  if (!('issues' in error)) return printable(error.message.split('\n')[0]!.replace(/:$/, ''))
  const { path: where, message } = error.issues[0]!
  return `${where.length > 0 ? `${where.join('.')}: ` : ''}${message}`
}
