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
export function readStory(directory: string): Snapshot {
  const text = (name: string): string | undefined => {
    try {
      return readFileSync(path.join(directory, name), 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
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
  const result = text('result.json')
  const status = text('status.json')
  const story = new RunStory(directory)
  const phases = new PhaseTimes()
  let timeSeconds = 0
  // What follows the last end of a line was cut off with the process.
  for (const [index, line] of lines.split('\n').slice(0, -1).entries()) {
    const [event, seconds] = readLine(line, `${directory}: metrics.jsonl, line ${index + 1}`)
    timeSeconds = seconds
    if (event.kind === 'step')
      for (const [phase, spent] of Object.entries(event.phaseSeconds))
        phases.record(phase as keyof typeof event.phaseSeconds, spent)
    if (event.kind === 'started') story.observe({ ...event, config: parse(config) as RunConfig }, seconds)
    // The line has the hash alone; the result is in its own file.
    else if (event.kind !== 'finished') story.observe(event, seconds)
  }
  if (result !== undefined) story.observe({ kind: 'finished', result: JSON.parse(result) as RunResult }, timeSeconds)
  const coordinatorPhases = phases.report().map(({ phase, seconds }) => ({ phase, seconds }))
  const state = result === undefined ? 'ended early' : 'finished'
  return {
    ...story.snapshot(),
    status: {
      // A coordinator that was killed could not write it.
      ...(status === undefined ? { workers: [], workerPhases: [], traffic: [] } : (JSON.parse(status) as RunStatus)),
      ...{ timeSeconds, state, coordinatorPhases },
    },
  }
}

function readLine(line: string, where: string): [RunEvent, number] {
  try {
    const { time, ...event } = JSON.parse(line) as RunEvent & { time: number }
    if (typeof time === 'number' && typeof event.kind === 'string') return [event, time]
  } catch {
    // Said below.
  }
  throw new ConvoyError('usage', `${where} is not an event of a run. The file is damaged; remove the line.`)
}
