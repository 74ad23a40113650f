import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { WeightsName } from '../../../src/exports/trained-model.js'
import { loadTrainedModel } from '../../../src/exports/trained-model.js'
import type { Json } from '../../support/launch.js'
import type { PlannedEnding } from './ending-plan.js'

// Guarantees of a run about its end, and where they are stated: the only place to change when a guarantee changes.

/** Time for `finish` to reach the workers. */
const GOODBYE_SECONDS = 2
/** Time for workers of the run before they are killed. */
const OWN_WORKERS_SECONDS = 5
/** Waits with a stated duration: for space on a full disk, for a last scrape. */
const STATED_WAITS = [/[Ww]aiting (?:up to )?(\d+) s for room/, /waiting up to (\d+) s for a last scrape/]
/** Another place of saved weights in the log. */
const SAVED_ELSEWHERE = /saved in (\/[^\s,]+?)[.,]?(?=\s|$)/g
/** A line of standard error that announces the best weights. */
const BEST_SO_FAR = /validation after step (\d+) .*best so far/g
/** States in `status.json` after an end on request. */
const ON_REQUEST = ['stopped', 'interrupted']

/** Flags for runs whose disk may be full, if this version has them. @param help the output of `convoy train --help` */
export function rescueFlags(help: string, directory: string): string[] {
  return [
    ...(help.includes('--rescue-dir') ? ['--rescue-dir', directory] : []),
    ...(help.includes('--rescue-wait') ? ['--rescue-wait', '3'] : []),
  ]
}

/** Files and output of a finished run. */
export interface Remains {
  readonly plan: PlannedEnding
  readonly runDirectory: string
  /** Its output on the terminal, as far as that was readable. */
  readonly output: string
}

/** How long a run may take from the end of its work until its process is gone, in seconds. */
export function statedGrace({ plan, runDirectory, output }: Remains): number {
  if (plan.ending === 'SIGKILL') return 0
  const text = `${output}\n${logOf(runDirectory)}`
  const waits = STATED_WAITS.map((wait) => Number(wait.exec(text)?.[1] ?? 0))
  const own = plan.command === 'train' ? OWN_WORKERS_SECONDS : 0
  return waits.reduce((sum, seconds) => sum + seconds, GOODBYE_SECONDS + own)
}

/** Messages about broken guarantees; empty without one. */
export async function brokenPromises(remains: Remains): Promise<string[]> {
  const { plan, runDirectory, output } = remains
  const text = `${output}\n${logOf(runDirectory)}`
  const lines = linesOf(runDirectory, 'metrics.jsonl')
  const best = Math.max(
    0,
    ...lines.flatMap(({ kind, best: isBest, step }) => (kind === 'evaluated' && isBest === true ? [Number(step)] : [])),
    ...[...text.matchAll(BEST_SO_FAR)].map(([, step]) => Number(step)),
  )
  const applied = Math.max(0, ...lines.map(({ kind, step }) => (kind === 'step' ? Number(step) : 0)))
  const wasKilled = plan.ending === 'SIGKILL'
  const isDiskFull = plan.conditions.some(
    (condition) => / disk( |$)/.test(condition) && !condition.startsWith('standard'),
  )
  const places = [runDirectory, ...[...text.matchAll(SAVED_ELSEWHERE)].map(([, place]) => place!)]
  const found = {
    best: await newestStep(places, 'best'),
    last: await newestStep(places, 'last'),
  }
  const broken: string[] = []
  if (best > 0 && !(Number(found.best) >= best))
    broken.push(`step ${best} was announced as best so far; model/best: ${found.best}`)
  const newest = wasKilled ? best : applied
  if (newest > 0 && !(Number(found.last) >= newest))
    broken.push(`step ${newest} was applied; model/last: ${found.last}`)
  if (!wasKilled && !isDiskFull && applied > 0 && Number(found.last) > applied)
    broken.push(`model/last has step ${found.last}, and only ${applied} were reported`)
  if (!wasKilled && !isDiskFull && plan.ending !== 'its last step') {
    const state = statesOf(runDirectory)
    if (!state.some((word) => ON_REQUEST.includes(word)))
      broken.push(`status.json says ${state.join(', ') || 'nothing'}, not that it was stopped`)
  }
  return broken
}

/** The newest step that loads from one of these places, or why there is none. */
async function newestStep(places: readonly string[], which: WeightsName): Promise<number | string> {
  const outcomes = await Promise.all(
    places.map(async (place) =>
      loadTrainedModel(place, which).then(
        ({ step }) => step,
        (error: unknown) => (error as Error).message,
      ),
    ),
  )
  const steps = outcomes.filter((outcome) => typeof outcome === 'number')
  return steps.length > 0 ? Math.max(...steps) : outcomes.join('; ')
}

function statesOf(runDirectory: string): string[] {
  const file = path.join(runDirectory, 'status.json')
  if (!existsSync(file)) return []
  const { state, end } = JSON.parse(readFileSync(file, 'utf8')) as { state?: string; end?: { kind?: string } }
  return [state, end?.kind].filter((word) => word !== undefined)
}

/** The complete lines of a file; none when it is missing. */
export function linesOf(runDirectory: string, file: string): Json[] {
  const place = path.join(runDirectory, file)
  if (!existsSync(place)) return []
  const text = readFileSync(place, 'utf8')
  // A full disk or SIGKILL truncates lines.
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as Json]
    } catch {
      return []
    }
  })
}

/** Messages of convoy.log and of the previous file. */
function logOf(runDirectory: string): string {
  const files = existsSync(runDirectory) ? readdirSync(runDirectory).filter((name) => name.startsWith('convoy')) : []
  return files
    .flatMap((file) => linesOf(runDirectory, file))
    .map(({ message }) => String(message))
    .join('\n')
}
