import type { RunStatus, Snapshot } from '../page-state.js'
import { byId, element } from './dom.js'
import { clock, count, duration, share } from './format.js'

/** Steps that the present rate is the mean of. */
const RECENT_STEPS = 50

/** What runs, how far it is, and how fast. @param connected whether the numbers are live */
export function showRun(run: Snapshot, connected: boolean): void {
  const { header, points, evaluations, outcome, status } = run
  if (header === undefined) return
  const last = points.at(-1)
  byId('title').textContent = `${header.network} on ${header.dataset}`
  const state = outcome === undefined ? (status?.state ?? 'ended early') : 'finished'
  document.title = `${last === undefined ? '' : `${share(last.step / header.totalSteps)} `}${state} · Convoy`
  byId('state').textContent = sentence(state, run)
  const progress = byId('progress') as HTMLProgressElement
  progress.max = header.totalSteps
  progress.value = last?.step ?? 0

  const recent = points.slice(-RECENT_STEPS)
  const stepMs = recent.reduce((sum, { durationMs }) => sum + durationMs, 0) / Math.max(1, recent.length)
  const best = evaluations.filter(({ split }) => split === 'validation').map(({ accuracy }) => accuracy)
  const facts: [string, string | undefined][] = [
    ['Step', last && `${count(last.step)} of ${count(header.totalSteps)}`],
    ['Epoch', last?.epoch.toFixed(2)],
    [
      'Time left',
      last && outcome === undefined && connected
        ? duration(((header.totalSteps - last.step) * stepMs) / 1000)
        : undefined,
    ],
    ['Took', outcome && duration(outcome.seconds)],
    ['Images per second', last && count(outcome?.samplesPerSecond ?? (1000 * header.batchSize) / stepMs)],
    ['Workers computing', status && computing(status)],
    ['Loss', last?.loss.toFixed(4)],
    ['Batch accuracy', last && share(last.accuracy)],
    ['Best validation', best.length > 0 ? share(Math.max(...best)) : undefined],
    ['Test accuracy', outcome && share(outcome.testAccuracy)],
    ['Parameters', count(header.parameterCount)],
    ['Batch', `${header.batchSize} in shards of ${header.shardSize}`],
    ['Precision', header.precision],
    ['Seed', `${header.seed}`],
    ['Started', clock(header.startedSeconds)],
    ['Run directory', header.runDirectory],
    ['Weights (sha256)', outcome?.weightsSha256.slice(0, 16)],
  ]
  byId('facts').replaceChildren(
    ...facts
      .filter((fact): fact is [string, string] => fact[1] !== undefined)
      .map(([name, value]) => element('div', {}, element('dt', {}, name), element('dd', {}, value))),
  )
}

function sentence(state: string, { status, outcome }: Snapshot): string {
  if (state === 'waiting') return 'Waiting: no worker takes part. Start one with: npx convoy worker --join …'
  if (state === 'finished' && outcome) return `Finished: ${share(outcome.testAccuracy)} on the test images.`
  const workers = status?.workers.length ?? 0
  return `${state.charAt(0).toUpperCase()}${state.slice(1)}${status ? ` with ${workers} ${workers === 1 ? 'worker' : 'workers'}` : ''}.`
}

/** Efficiency: the share of the workers' time that goes into gradients. */
function computing({ workerPhases }: RunStatus): string | undefined {
  const all = workerPhases.filter(({ phase }) => phase !== 'build' && phase !== 'evaluate')
  const total = all.reduce((sum, { seconds }) => sum + seconds, 0)
  const useful = all.find(({ phase }) => phase === 'forward_backward')?.seconds ?? 0
  return total > 0 ? `${share(useful / total)} of their time` : undefined
}
