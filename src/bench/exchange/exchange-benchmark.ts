import type { Wire } from '../../model/config/run-config.js'
import { median, medianRatio } from '../engine-benchmark.js'
import { takeTurns, WARM_UP_STEPS } from '../take-turns.js'
import type { Baseline } from './baselines.js'
import { glooAllReduce, memoryCopy, tcpSend } from './baselines.js'
import { ExchangeContestant } from './exchange-contestant.js'
import type { BusyTimes } from './step-recorder.js'
import type { ExchangeOptimizer } from './synthetic-run.js'
import { syntheticRun } from './synthetic-run.js'
import type { Timeline } from './timeline.js'
import { medianTimeline } from './timeline.js'
import type { VectorPath } from './worker-processes.js'

export interface ExchangeBenchmarkOptions {
  /** Of the weights, in millions. */
  readonly megabytes: number
  /** Worker counts to measure with. A step has as many shards as the largest of them, at least two. */
  readonly workers: readonly number[]
  readonly paths: readonly VectorPath[]
  readonly wires: readonly Wire[]
  /** Of a shard, see syntheticComputer. */
  readonly computeMs: number
  readonly optimizer: ExchangeOptimizer
  /** Python of gloo; undefined without it. */
  readonly python: string | undefined
  readonly rounds: number
  /** In each turn. */
  readonly steps: number
  readonly log: (text: string) => void
}

/** Convoy with some workers, over one path, with one number format. */
export interface ExchangeRow {
  readonly workers: number
  readonly path: VectorPath
  readonly wire: Wire
  /** Of each round: steps over the time of the turn. */
  readonly stepsPerSecond: readonly number[]
  /** Share of the steps in which every worker had a lease: a worker that was slow a moment ago may get none. */
  readonly allTookPart: number
  /** Medians over the steps of all turns, ms. Absent: no step had a result of a worker. */
  readonly timeline: Timeline | undefined
  /** Of the coordinator's thread, medians over the same steps. Only of one worker: work for several cannot be told apart. */
  readonly busy?: BusyTimes
  /** Time of a step as a multiple of the baseline's: medians of the rounds' ratios. */
  readonly ratios: Readonly<Partial<Record<Baseline['kind'], number>>>
  /** After all steps: the same for every row of a size and a number format. */
  readonly weightsSha256: string
}

export interface ExchangeResult {
  readonly megabytes: number
  readonly weights: number
  readonly rows: readonly ExchangeRow[]
  readonly baselines: readonly { readonly name: string; readonly perSecond: readonly number[] }[]
}

const BYTES_PER_MEGABYTE = 1e6
const STEPS = { perStep: 1, name: 'steps' }

/**
 * Measures all workers and paths and what the same bytes take otherwise, in turns.
 * @throws ConvoyError when a contestant cannot start or fails
 */
export async function benchmarkExchange(options: ExchangeBenchmarkOptions): Promise<ExchangeResult> {
  const { megabytes, rounds, steps, log } = options
  const weights = Math.round((megabytes * BYTES_PER_MEGABYTE) / 4)
  const baselines: Baseline[] = []
  const contestants: (ExchangePlace & { readonly contestant: ExchangeContestant })[] = []
  try {
    await startBaselines(options, 4 * weights, baselines)
    for (const place of placesOf(options))
      contestants.push({ ...place, contestant: await startContestant(options, weights, place) })
    const all = [...baselines, ...contestants.map(({ contestant }) => contestant)]
    log(`${megabytes} MB: ${[...baselines.map(({ name }) => name), ...contestants.map(nameOf)].join('; ')}`)
    const rates = await takeTurns(all, rounds, steps, log, STEPS)
    const ofBaselines = rates.slice(0, baselines.length)
    return {
      ...{ megabytes, weights },
      rows: contestants.map(({ contestant, ...place }, index) => {
        const stepsPerSecond = rates[baselines.length + index]!
        const takingPart = contestant.takingPart.slice(WARM_UP_STEPS)
        return {
          ...{ ...place, stepsPerSecond, timeline: medianTimeline(contestant.timelines.slice(WARM_UP_STEPS)) },
          ...(place.workers === 1 && medianBusy(contestant.busy.slice(WARM_UP_STEPS))),
          allTookPart: takingPart.filter((count) => count === place.workers).length / takingPart.length,
          ratios: ratiosOf(place.workers, stepsPerSecond, baselines, ofBaselines),
          weightsSha256: contestant.weightsSha256(),
        }
      }),
      baselines: baselines.map(({ name }, index) => ({ name, perSecond: ofBaselines[index]! })),
    }
  } finally {
    for (const { contestant } of contestants) await contestant.close()
    for (const baseline of baselines) await baseline.close()
  }
}

function medianBusy(steps: readonly BusyTimes[]): Pick<ExchangeRow, 'busy'> {
  if (steps.length === 0) return {}
  const [sendMs, receiveMs] = (['sendMs', 'receiveMs'] as const).map((part) => median(steps.map((step) => step[part])))
  return { busy: { sendMs: sendMs!, receiveMs: receiveMs! } }
}

type ExchangePlace = Pick<ExchangeRow, 'workers' | 'path' | 'wire'>

function placesOf({ workers, paths, wires }: ExchangeBenchmarkOptions): ExchangePlace[] {
  return workers.flatMap((count) => paths.flatMap((path) => wires.map((wire) => ({ workers: count, path, wire }))))
}

function nameOf({ workers, path, wire }: ExchangePlace): string {
  return `Convoy ${workers}, ${path}, ${wire}`
}

async function startContestant(
  { workers: counts, optimizer, computeMs, log }: ExchangeBenchmarkOptions,
  weights: number,
  { workers, path, wire }: ExchangePlace,
): Promise<ExchangeContestant> {
  const run = await syntheticRun(weights, Math.max(2, ...counts), optimizer, wire, log)
  return ExchangeContestant.start({ run, workers, path, waitMs: computeMs })
}

/** @param started gets each, so that it is closed if a later one fails */
async function startBaselines(
  { workers, python }: ExchangeBenchmarkOptions,
  bytes: number,
  started: Baseline[],
): Promise<void> {
  started.push(memoryCopy(bytes), await tcpSend(bytes))
  if (python === undefined) return
  for (const processes of workers.filter((count) => count > 1))
    started.push(await glooAllReduce(python, bytes, processes))
}

function ratiosOf(
  workers: number,
  stepsPerSecond: readonly number[],
  baselines: readonly Baseline[],
  rates: readonly (readonly number[])[],
): ExchangeRow['ratios'] {
  return Object.fromEntries(
    baselines.flatMap(({ kind, processes = workers }, index) =>
      processes === workers ? [[kind, medianRatio(rates[index]!, stepsPerSecond)]] : [],
    ),
  )
}
