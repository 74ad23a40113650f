import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { ConvoyError } from '../../shared/errors.js'
import { median } from '../engine-benchmark.js'
import type { KillIntervals, Kills } from './kill-on-schedule.js'
import { killOnSchedule } from './kill-on-schedule.js'
import type { KillableContestant, KillableRun, KillableTask, RunRecord } from './killable-run.js'

/** A run is given up when its first step takes longer. Nothing else ends a script that fails and is restarted again and again. */
const MAX_START_MS = 600_000
/** A disturbed run is given up after this many times the undisturbed time. */
const PATIENCE = 20
const NO_KILLS: Kills = { workers: [], coordinators: [] }

/** A run without failures, and one with them. */
export interface FaultRound {
  readonly undisturbed: RunRecord
  readonly disturbed: RunRecord
  /** Before the end of the last step. */
  readonly kills: { readonly workers: number; readonly coordinators: number }
}

export interface FaultResult {
  readonly name: string
  readonly rounds: readonly FaultRound[]
  /** Seconds, medians of the rounds, validations left out. */
  readonly undisturbedSeconds: number
  readonly disturbedSeconds: number
  /** Of the disturbed to the undisturbed time: the median of the rounds. */
  readonly ratio: number
  /** The same without the processor time of the starts of killed workers, spread over the cores. */
  readonly ratioBeyondStarts: number
  readonly workersKilled: number
  readonly coordinatorsKilled: number
  readonly stepsTwice: number
  readonly samplesOff: number
  /** Whether every run ended with the same weights. */
  readonly sameWeights: boolean
  /** From the death of a coordinator to the end of the first new step: the median; undefined for peers. */
  readonly restartSeconds: number | undefined
}

/** A contestant that did not get to the end, and why. */
export interface FailedContestant {
  readonly name: string
  readonly failure: string
}

export interface FaultBenchmarkOptions {
  readonly task: KillableTask
  readonly contestants: readonly KillableContestant[]
  readonly intervals: KillIntervals
  readonly rounds: number
  readonly log: (text: string) => void
}

/**
 * Measures what failures cost: each contestant trains twice in a round, without failures and with them. A contestant that fails is left out of
 * the later rounds.
 */
export async function benchmarkFaults(options: FaultBenchmarkOptions): Promise<(FaultResult | FailedContestant)[]> {
  const { contestants, rounds, log } = options
  const taken = contestants.map((): FaultRound[] => [])
  const failures = new Map<KillableContestant, string>()
  for (let round = 0; round < rounds; round++) {
    for (const [index, contestant] of contestants.entries()) {
      if (failures.has(contestant)) continue
      try {
        const one = await takeRound(contestant, options)
        taken[index]!.push(one)
        log(`Round ${round + 1} of ${rounds}, ${contestant.name}: ${describe(one)}`)
      } catch (error) {
        const { message } = ConvoyError.from(error)
        failures.set(contestant, message)
        log(`Round ${round + 1} of ${rounds}, ${contestant.name}: ${message}`)
      }
    }
  }
  return contestants.map((contestant, index) => {
    const failure = failures.get(contestant)
    return failure === undefined ? resultOf(contestant, taken[index]!) : { name: contestant.name, failure }
  })
}

async function takeRound(
  contestant: KillableContestant,
  { task, intervals }: FaultBenchmarkOptions,
): Promise<FaultRound> {
  const undisturbed = await takeRun(contestant, task)
  const limitMs = PATIENCE * 1000 * undisturbed.record.seconds
  const { record, kills } = await takeRun(contestant, task, intervals, limitMs)
  const before = (times: readonly number[]): number => times.filter((timeMs) => timeMs < record.endedMs).length
  return {
    ...{ undisturbed: undisturbed.record, disturbed: record },
    kills: { workers: before(kills.workers), coordinators: before(kills.coordinators) },
  }
}

async function takeRun(
  contestant: KillableContestant,
  task: KillableTask,
  intervals?: KillIntervals,
  limitMs?: number,
): Promise<{ record: RunRecord; kills: Kills }> {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'convoy-killed-'))
  const run = await contestant.start(task, directory)
  try {
    await within(MAX_START_MS, run.firstStep, 'the first step', run)
    const ended = intervals === undefined ? run.ended.then(() => NO_KILLS) : killOnSchedule(run, intervals)
    const kills = await within(limitMs, ended, `step ${task.steps}`, run)
    return { record: run.record(), kills }
  } finally {
    await run.close()
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** @throws ConvoyError('environment') when it takes longer */
async function within<Value>(
  limitMs: number | undefined,
  goal: Promise<Value>,
  what: string,
  run: KillableRun,
): Promise<Value> {
  if (limitMs === undefined) return goal
  let timer: NodeJS.Timeout | undefined
  const overdue = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const message = `not at ${what} after ${(limitMs / 1000).toFixed(0)} s. ${run.lastWords()}`
      reject(new ConvoyError('environment', message.trim()))
    }, limitMs)
  })
  return Promise.race([goal, overdue]).finally(() => {
    clearTimeout(timer)
  })
}

/** Validations take as long as in the undisturbed run: what failures add to them is a cost of failures. */
function secondsOf({ undisturbed, disturbed }: FaultRound): { without: number; withFailures: number } {
  const { validationSeconds } = undisturbed
  return { without: undisturbed.seconds - validationSeconds, withFailures: disturbed.seconds - validationSeconds }
}

function resultOf({ name, hasCoordinatingWorker }: KillableContestant, rounds: readonly FaultRound[]): FaultResult {
  const seconds = rounds.map(secondsOf)
  const beyond = rounds.map(({ undisturbed, kills }, round) => {
    const lost = kills.workers + (hasCoordinatingWorker ? kills.coordinators : 0)
    const { without, withFailures } = seconds[round]!
    return (withFailures - (lost * undisturbed.startSeconds) / os.availableParallelism()) / without
  })
  const sum = (of: (round: FaultRound) => number): number => rounds.reduce((total, round) => total + of(round), 0)
  const hashes = rounds.flatMap(({ undisturbed, disturbed }) => [undisturbed.weightsSha256, disturbed.weightsSha256])
  const restarts = rounds.flatMap(({ disturbed }) => disturbed.restartSeconds)
  return {
    name,
    rounds,
    undisturbedSeconds: median(seconds.map(({ without }) => without)),
    disturbedSeconds: median(seconds.map(({ withFailures }) => withFailures)),
    ratio: median(seconds.map(({ without, withFailures }) => withFailures / without)),
    ratioBeyondStarts: median(beyond),
    workersKilled: sum(({ kills }) => kills.workers),
    coordinatorsKilled: sum(({ kills }) => kills.coordinators),
    stepsTwice: sum(({ disturbed }) => disturbed.stepsTwice),
    samplesOff: sum(({ disturbed }) => disturbed.samplesOff),
    sameWeights: new Set(hashes).size === 1,
    restartSeconds: restarts.length === 0 ? undefined : median(restarts),
  }
}

function describe(round: FaultRound): string {
  const { without, withFailures } = secondsOf(round)
  const { workers, coordinators } = round.kills
  return `${without.toFixed(1)} s, with ${workers} + ${coordinators} kills ${withFailures.toFixed(1)} s`
}
