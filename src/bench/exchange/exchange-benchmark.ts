import type { Wire } from '../../model/config/run-config.js'
import { counted } from '../../shared/units.js'
import { median, medianRatio } from '../engine-benchmark.js'
import { Link } from '../link/link.js'
import { takeTurns, WARM_UP_STEPS } from '../take-turns.js'
import type { Baseline } from './baselines.js'
import { glooAllReduce, memoryCopy, tcpSend } from './baselines.js'
import type { CoordinatorMemory } from './coordinator-process.js'
import { ExchangeContestant } from './exchange-contestant.js'
import type { BusyTimes } from './step-recorder.js'
import type { ExchangeOptimizer } from './synthetic-run.js'
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
  /** Round trips of the links between the coordinator and workers that do not use memory; 0: no link. */
  readonly delaysMs: readonly number[]
  /** Limit of each connection of a link, Mbit/s; 0: none. */
  readonly megabits: number
  /** Workers are measured behind so many relays too; 0: not. */
  readonly relays: number
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

/** Where a contestant's workers are, and their number format. */
export interface ExchangePlace {
  readonly workers: number
  readonly path: VectorPath
  readonly wire: Wire
  /** Round trip of the link; 0: none. */
  readonly delayMs: number
  /** Between the coordinator and the workers; 0: none. */
  readonly relays: number
}

/** Convoy with some workers, over one path, with one number format. */
export interface ExchangeRow extends ExchangePlace {
  /** Of each round: steps over the time of the turn. */
  readonly stepsPerSecond: readonly number[]
  /** Share of the steps in which every worker had a lease: a worker that was slow a moment ago may get none. */
  readonly allTookPart: number
  /** Medians over the steps of all turns, ms. Absent: no step had a result of a worker, or workers are behind relays. */
  readonly timeline: Timeline | undefined
  /** Median over the steps of all turns: from a result that is computed until its vector is in the memory of the coordinator. */
  readonly uploadMs: number | undefined
  /** Of the coordinator's thread, medians over the same steps. Only of one worker: work for several cannot be told apart. */
  readonly busy?: BusyTimes
  /** Time of a step as a multiple of the baseline's: medians of the rounds' ratios. */
  readonly ratios: Readonly<Partial<Record<Baseline['kind'], number>>>
  /** After all steps: the same for every row of a size and a number format. */
  readonly weightsSha256: string
  /** Of the coordinator's process. */
  readonly memory: CoordinatorMemory
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
  const links = new Map(options.delaysMs.filter((ms) => ms > 0).map((ms) => [ms, new Link(ms, options.megabits)]))
  const baselines: Baseline[] = []
  const contestants: (ExchangePlace & { readonly contestant: ExchangeContestant })[] = []
  try {
    await startBaselines(options, 4 * weights, links, baselines)
    for (const place of placesOf(options))
      contestants.push({
        ...place,
        contestant: await startContestant(options, weights, place, links.get(place.delayMs)),
      })
    const all = [...baselines, ...contestants.map(({ contestant }) => contestant)]
    log(`${megabytes} MB: ${[...baselines.map(({ name }) => name), ...contestants.map(nameOf)].join('; ')}`)
    const rates = await takeTurns(all, rounds, steps, log, STEPS)
    const ofBaselines = rates.slice(0, baselines.length)
    const rows: ExchangeRow[] = []
    for (const [index, { contestant, ...place }] of contestants.entries()) {
      const stepsPerSecond = rates[baselines.length + index]!
      const ratios = ratiosOf(place, stepsPerSecond, baselines, ofBaselines)
      rows.push({ ...place, stepsPerSecond, ratios, ...(await factsOf(contestant, place)) })
    }
    return {
      ...{ megabytes, weights, rows },
      baselines: baselines.map(({ name }, index) => ({ name, perSecond: ofBaselines[index]! })),
    }
  } finally {
    for (const { contestant } of contestants) await contestant.close()
    for (const baseline of baselines) await baseline.close()
    for (const link of links.values()) await link.close()
  }
}

/** Delays and relays are for workers elsewhere: those that use memory have neither. */
function placesOf({ workers, paths, wires, delaysMs, relays: most }: ExchangeBenchmarkOptions): ExchangePlace[] {
  return workers.flatMap((count) => {
    const relays = most > 0 && count >= most ? [0, most] : [0]
    const away = delaysMs.flatMap((delayMs) => relays.map((behind) => ({ delayMs, relays: behind })))
    return paths.flatMap((path) =>
      (path === 'memory' ? [{ delayMs: 0, relays: 0 }] : away).flatMap((place) =>
        wires.map((wire) => ({ workers: count, path, wire, ...place })),
      ),
    )
  })
}

function nameOf({ workers, path, wire, delayMs, relays }: ExchangePlace): string {
  const link = delayMs > 0 ? `, ${delayMs} ms` : ''
  return `Convoy ${workers}, ${path}${link}${relays > 0 ? `, ${counted(relays, 'relay')}` : ''}, ${wire}`
}

async function factsOf(
  contestant: ExchangeContestant,
  { workers }: ExchangePlace,
): Promise<Pick<ExchangeRow, 'timeline' | 'busy' | 'uploadMs' | 'allTookPart' | 'memory' | 'weightsSha256'>> {
  const timelines = contestant.timelines.slice(WARM_UP_STEPS)
  const takingPart = contestant.takingPart.slice(WARM_UP_STEPS)
  return {
    ...(await contestant.facts()),
    timeline: medianTimeline(timelines),
    ...(workers === 1 && medianBusy(contestant.busy.slice(WARM_UP_STEPS))),
    uploadMs: timelines.length > 0 ? median(timelines.map(({ result, read }) => result + read)) : undefined,
    allTookPart: takingPart.filter((count) => count === workers).length / takingPart.length,
  }
}

function medianBusy(steps: readonly BusyTimes[]): Pick<ExchangeRow, 'busy'> {
  if (steps.length === 0) return {}
  const [sendMs, receiveMs] = (['sendMs', 'receiveMs'] as const).map((part) => median(steps.map((step) => step[part])))
  return { busy: { sendMs: sendMs!, receiveMs: receiveMs! } }
}

async function startContestant(
  { workers: counts, optimizer, computeMs }: ExchangeBenchmarkOptions,
  weights: number,
  { workers, path, wire, relays }: ExchangePlace,
  link: Link | undefined,
): Promise<ExchangeContestant> {
  const shards = Math.max(2, ...counts)
  return ExchangeContestant.start({
    ...{ weights, shards, optimizer, wire, workers, relays, path, link, waitMs: computeMs },
  })
}

/** @param started gets each, so that it is closed if a later one fails */
async function startBaselines(
  { workers, python }: ExchangeBenchmarkOptions,
  bytes: number,
  links: ReadonlyMap<number, Link>,
  started: Baseline[],
): Promise<void> {
  started.push(memoryCopy(bytes), await tcpSend(bytes))
  for (const [delayMs, link] of links) started.push(await tcpSend(bytes, { delayMs, link }))
  if (python === undefined) return
  for (const processes of workers.filter((count) => count > 1))
    started.push(await glooAllReduce(python, bytes, processes))
}

/** TCP is compared with over the same link, and gloo with as many processes. */
function ratiosOf(
  { workers, delayMs: linkMs }: ExchangePlace,
  stepsPerSecond: readonly number[],
  baselines: readonly Baseline[],
  rates: readonly (readonly number[])[],
): ExchangeRow['ratios'] {
  return Object.fromEntries(
    baselines.flatMap(({ kind, processes = workers, delayMs = 0 }, index) =>
      processes === workers && (kind !== 'tcp' || delayMs === linkMs)
        ? [[kind, medianRatio(rates[index]!, stepsPerSecond)]]
        : [],
    ),
  )
}
