import type { RunEnd, RunStatus, Snapshot } from '../page-state.js'
import { byId, element, setStatus } from './dom.js'
import type { Fact } from './facts.js'
import { described } from './facts.js'
import { count, counted, duration, moment, share } from './format.js'
import { isOver } from './result-view.js'

/** Name, progress and speed of the run; after its end, the totals. @param connected whether the numbers are live */
export function showRun(run: Snapshot, connected: boolean): void {
  const { header, points, status } = run
  const over = isOver(run)
  const progress = byId('progress') as HTMLProgressElement
  progress.hidden = over || header === undefined || (!connected && points.length === 0)
  if (header === undefined) {
    setStatus('state', stateWithoutHeader(status))
    return
  }
  const last = points.at(-1)
  byId('title').replaceChildren(`${header.network} on `, element('bdi', {}, header.dataset))
  const state = status?.end?.kind ?? (run.outcome ? 'finished' : (status?.state ?? 'starting'))
  document.title = `${last === undefined ? '' : `${share(last.step / header.totalSteps)} `}${state} · Convoy`
  byId('state').className = STATE_STYLES[state] ?? ''
  setStatus('state', sentence(state, run))
  progress.max = header.totalSteps
  progress.value = last?.step ?? 0
  byId('facts').replaceChildren(...described(over ? pastFacts(run, header) : presentFacts(run, header, connected)))
}

const STATE_STYLES: Readonly<Record<string, string>> = {
  paused: 'warn',
  finished: 'good',
  stopped: 'warn',
  interrupted: 'warn',
  failed: 'bad',
  unknown: 'bad',
  unfinished: 'warn',
}

function presentFacts(run: Snapshot, header: NonNullable<Snapshot['header']>, connected: boolean): Fact[] {
  const { points, evaluations, status } = run
  const last = points.at(-1)
  const validations = evaluations.filter(({ split }) => split === 'validation')
  const best = validations.findLast(({ best: isBest }) => isBest)
  const { samplesPerSecond = 0, secondsLeft = 0 } = status ?? {}
  return [
    ['Started', moment(header.startedSeconds)],
    ['Time left', last && connected ? timeLeft(header.totalSteps - last.step, secondsLeft) : undefined],
    ['Step', last && `${count(last.step)} of ${count(header.totalSteps)}`],
    ['Epoch', last && `${last.epoch.toFixed(2)} of ${count(header.config.epochs)}`],
    ['Samples/s', samplesPerSecond > 0 ? count(samplesPerSecond) : undefined],
    ['Efficiency', status && efficiency(status), EFFICIENCY],
    ['Loss of the batch', last?.loss.toFixed(4)],
    ...(last?.accuracy === undefined ? [] : [['Accuracy of the batch', share(last.accuracy)] satisfies Fact]),
    ['Best validation', best && measure(best), 'Of the best weights so far'],
    ['Newest checkpoint', status?.checkpoint && newest(status.checkpoint, connected), CHECKPOINT],
    ['Step journal', status?.journal, JOURNAL],
  ]
}

function measure({ accuracy, loss }: { readonly accuracy?: number; readonly loss: number }): string {
  return accuracy === undefined ? `loss ${loss.toFixed(4)}` : share(accuracy)
}

const CHECKPOINT = 'With --resume, a run whose coordinator died goes on from here'
const JOURNAL =
  'on: the steps after the checkpoint are on disk too. failed: a coordinator that dies loses them; the log has the reason'

function newest({ step, ageSeconds }: NonNullable<RunStatus['checkpoint']>, connected: boolean): string {
  return `step ${count(step)}${connected ? `, ${duration(ageSeconds)} ago` : ''}`
}

function pastFacts(run: Snapshot, header: NonNullable<Snapshot['header']>): Fact[] {
  const { points, status, outcome, members } = run
  const last = points.at(-1)
  const end = status?.end
  const seconds = outcome?.seconds ?? (end && Date.parse(end.at) / 1000 - header.startedSeconds)
  const rate = outcome?.samplesPerSecond ?? status?.samplesPerSecond
  return [
    ['Started', moment(header.startedSeconds)],
    ['Ended', end && moment(end.at)],
    ['Duration', seconds === undefined ? undefined : duration(seconds)],
    ['Steps', `${count(last?.step ?? 0)} of ${count(header.totalSteps)}`],
    ['Epochs', `${(last?.epoch ?? 0).toFixed(2)} of ${count(header.config.epochs)}`],
    [
      'Speed',
      rate === undefined || rate <= 0 ? undefined : `${count(rate)} samples/s`,
      'Training samples; evaluation excluded',
    ],
    ['Workers', took(outcome?.workers, members.length)],
    ['Efficiency', status && efficiency(status), EFFICIENCY],
  ]
}

/** @param peak most workers at once, when that is known */
function took(peak: number | undefined, all: number): string {
  return peak === undefined || peak === all ? count(all) : `${count(all)}, ${count(peak)} at once`
}

const EFFICIENCY = "The share of the workers' time that goes into forward and backward passes"

function timeLeft(steps: number, seconds: number): string | undefined {
  if (steps === 0) return 'evaluating'
  return seconds > 0 ? duration(seconds) : undefined
}

function stateWithoutHeader(status: RunStatus | undefined): string {
  if (status?.end) return `${ENDINGS[status.end.kind]}: it ended before training began.${because(status.end)}`
  return status?.state === 'unfinished' ? 'Not begun when this report was written.' : 'Starting …'
}

const ENDINGS: Readonly<Record<RunEnd['kind'], string>> = {
  finished: 'Finished',
  stopped: 'Stopped early',
  interrupted: 'Interrupted',
  failed: 'Failed',
  unknown: 'Ended without a result',
}

function because({ kind, reason }: RunEnd): string {
  if (reason !== undefined) return kind === 'failed' ? ` ${reason}` : ` By ${reason}.`
  return kind === 'failed' || kind === 'unknown' ? ' The reason was not recorded.' : ''
}

function sentence(state: string, { header, points, status, outcome }: Snapshot): string {
  const end = status?.end ?? (outcome && ({ kind: 'finished', at: '' } satisfies RunEnd))
  const steps = `${count(points.at(-1)?.step ?? 0)} of ${counted(header?.totalSteps ?? 0, 'step')}`
  if (end && outcome && end.kind !== 'failed') return `${ENDINGS[end.kind]} after ${steps}${testOf(outcome)}.`
  if (end) return `${ENDINGS[end.kind]} after ${steps}.${because(end)}`
  if (state === 'waiting') return 'Waiting for a worker to join: a starting local worker, or npx convoy worker --join …'
  if (state === 'paused') return `Paused after ${steps}: npx convoy continue goes on.`
  if (state === 'running') return `Still running when this report was written: ${steps} done.`
  if (state === 'unfinished')
    return `No end was recorded after ${steps}: the coordinator was killed, or runs on another machine.`
  return `${state.charAt(0).toUpperCase()}${state.slice(1)}${status ? ` with ${counted(status.workers.length, 'worker')}` : ''}.`
}

function testOf({ testAccuracy, testLoss }: NonNullable<Snapshot['outcome']>): string {
  if (testLoss === undefined) return ''
  return testAccuracy === undefined
    ? `: loss ${testLoss.toFixed(4)} on the test samples`
    : `: ${share(testAccuracy)} on the test images`
}

/** Share of the workers' time spent on gradients. */
function efficiency({ workerPhases }: RunStatus): string | undefined {
  const all = workerPhases.filter(({ phase }) => phase !== 'build' && phase !== 'evaluate')
  const total = all.reduce((sum, { seconds }) => sum + seconds, 0)
  const useful = all.find(({ phase }) => phase === 'forward_backward')?.seconds ?? 0
  return total > 0 ? share(useful / total) : undefined
}
