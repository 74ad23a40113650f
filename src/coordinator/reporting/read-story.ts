import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parse } from 'yaml'
import type { RunStatus, Snapshot } from '../../dashboard/page-state.js'
import { PhaseTimes } from '../../metrics/phases.js'
import type { RunConfig } from '../../model/run-config.js'
import { ConvoyError } from '../../shared/errors.js'
import type { RunEvent, RunResult } from '../run-events.js'
import { RunStory } from './run-story.js'

/**
 * What the page shows of a run, from its directory: `metrics.jsonl`, `config.yaml` and, when it ended well, `status.json` and
 * `result.json`.
 * @throws ConvoyError('usage') when it is no run directory, or a line makes no sense
 */
export function readStory(directory: string): Snapshot & { readonly status: RunStatus } {
  const text = (name: string): string | undefined => {
    try {
      return readFileSync(path.join(directory, name), 'utf8')
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code!)) return undefined
      throw new ConvoyError('usage', `${directory}: ${name}: ${(error as Error).message}`, { cause: error })
    }
  }
  const lines = text('metrics.jsonl')
  const config = text('config.yaml')
  if (lines === undefined || config === undefined) {
    throw new ConvoyError(
      'usage',
      `${directory} is no run directory: it lacks ${lines === undefined ? 'metrics.jsonl' : 'config.yaml'}. ` +
        'Name one such as runs/20261123T193039Z_quick.',
    )
  }
  const json = (name: string): unknown => {
    const content = text(name)
    try {
      return content === undefined ? undefined : JSON.parse(content)
    } catch (error) {
      throw new ConvoyError('usage', `${directory}: ${name} is damaged: ${(error as Error).message}. Remove it.`)
    }
  }
  const result = json('result.json') as RunResult | undefined
  const status = json('status.json') as RunStatus | undefined
  const story = new RunStory(directory)
  const phases = new PhaseTimes()
  let timeSeconds = 0
  // What follows the last end of a line was cut off with the process.
  for (const [index, line] of lines.split('\n').slice(0, -1).entries()) {
    try {
      const { time, ...event } = JSON.parse(line) as RunEvent & { time: number }
      if (typeof time !== 'number') throw new Error('it has no time')
      timeSeconds = time
      if (event.kind === 'step')
        for (const [phase, spent] of Object.entries(event.phaseSeconds))
          phases.record(phase as keyof typeof event.phaseSeconds, spent)
      if (event.kind === 'started') story.observe({ ...event, config: parse(config) as RunConfig }, time)
      // The line has the hash alone; the result is in its own file.
      else if (event.kind !== 'finished') story.observe(event, time)
    } catch (error) {
      const where = `${directory}: metrics.jsonl, line ${index + 1}`
      throw new ConvoyError(
        'usage',
        `${where} is not an event of a run (${(error as Error).message}). The file is damaged; remove the line.`,
      )
    }
  }
  if (result !== undefined) story.observe({ kind: 'finished', result }, timeSeconds)
  const state = result === undefined ? 'ended early' : 'finished'
  const coordinatorPhases = phases.report().map(({ phase, seconds }) => ({ phase, seconds }))
  return {
    ...story.snapshot(),
    // A coordinator that was killed could not write its status.
    status: { workers: [], workerPhases: [], traffic: [], coordinatorPhases, ...status, timeSeconds, state },
  }
}
