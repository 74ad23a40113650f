import type { RunStatus, Snapshot } from '../page-state.js'
import { byId, element, say } from './dom.js'
import { clock, count, counted, duration, share } from './format.js'

/** Steps that the present rate is the mean of. */
const RECENT_STEPS = 50

/** Name, value if there is one, and what it means if that could be asked. */
type Fact = readonly [string, string | undefined, (string | undefined)?]

/** What runs, how far it is, and how fast. @param connected whether the numbers are live */
export function showRun(run: Snapshot, connected: boolean): void {
  const { header, points, evaluations, outcome, status } = run
  if (header === undefined) {
    say('state', status?.state === 'unfinished' ? 'Not begun when this report was written.' : 'Starting …')
    return
  }
  const last = points.at(-1)
  byId('title').textContent = `${header.network} on ${header.dataset}`
  const state = outcome === undefined ? (status?.state ?? 'starting') : 'finished'
  document.title = `${last === undefined ? '' : `${share(last.step / header.totalSteps)} `}${state} · Convoy`
  say('state', sentence(state, run))
  const progress = byId('progress') as HTMLProgressElement
  progress.max = header.totalSteps
  progress.value = last?.step ?? 0

  const recent = points.slice(-RECENT_STEPS)
  const stepMs = recent.reduce((sum, { durationMs }) => sum + durationMs, 0) / Math.max(1, recent.length)
  const best = evaluations.filter(({ split }) => split === 'validation').map(({ accuracy }) => accuracy)
  const facts: Fact[] = [
    [
      'Time left',
      last && outcome === undefined && connected ? timeLeft(header.totalSteps - last.step, stepMs) : undefined,
    ],
    ['Took', outcome && duration(outcome.seconds)],
    ['Step', last && `${count(last.step)} of ${count(header.totalSteps)}`],
    ['Epoch', last?.epoch.toFixed(2)],
    ['Images/s', last && count(outcome?.samplesPerSecond ?? (1000 * header.batchSize) / stepMs)],
    [
      'Efficiency',
      status && efficiency(status),
      "The share of the workers' time that goes into forward and backward passes",
    ],
    ['Loss', last?.loss.toFixed(4)],
    ['Batch accuracy', last && share(last.accuracy)],
    ['Best validation', best.length > 0 ? share(Math.max(...best)) : undefined],
    ['Test accuracy', outcome && share(outcome.testAccuracy)],
  ]
  const settings: Fact[] = [
    ['Parameters', count(header.parameterCount)],
    ['Batch', `${header.batchSize} in shards of ${header.shardSize}`],
    ['Precision', header.precision],
    ['Seed', `${header.seed}`],
    ['Started', clock(header.startedSeconds)],
    ['Weights (sha256)', outcome && `${outcome.weightsSha256.slice(0, 12)}…`, outcome?.weightsSha256],
    ['Run directory', header.runDirectory],
  ]
  byId('facts').replaceChildren(...described(facts))
  byId('settings').replaceChildren(...described(settings))
}

function described(facts: readonly Fact[]): HTMLElement[] {
  return facts.flatMap(([name, value, hint]) =>
    value === undefined
      ? []
      : [element('div', hint === undefined ? {} : { title: hint }, element('dt', {}, name), element('dd', {}, value))],
  )
}

function timeLeft(steps: number, stepMs: number): string {
  return steps > 0 ? duration((steps * stepMs) / 1000) : 'evaluating'
}

function sentence(state: string, { status, outcome }: Snapshot): string {
  if (state === 'waiting')
    return 'Waiting for a worker to join: one of its own that starts, or npx convoy worker --join …'
  if (state === 'finished' && outcome) return `Finished: ${share(outcome.testAccuracy)} on the test images.`
  if (state === 'failed') return 'Ended before it was finished.'
  if (state === 'unfinished') return 'Not finished when this report was written.'
  return `${state.charAt(0).toUpperCase()}${state.slice(1)}${status ? ` with ${counted(status.workers.length, 'worker')}` : ''}.`
}

/** Of the workers' time, what goes into gradients. */
function efficiency({ workerPhases }: RunStatus): string | undefined {
  const all = workerPhases.filter(({ phase }) => phase !== 'build' && phase !== 'evaluate')
  const total = all.reduce((sum, { seconds }) => sum + seconds, 0)
  const useful = all.find(({ phase }) => phase === 'forward_backward')?.seconds ?? 0
  return total > 0 ? share(useful / total) : undefined
}
