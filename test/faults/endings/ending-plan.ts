import { spawnSync } from 'node:child_process'
import os from 'node:os'
import { SeededDraws } from '../../../src/simulation/seeded-draws.js'
import { noTerminal } from '../../support/pseudo-terminal.js'

/** Causes of the end of a run. */
export const ENDINGS = [
  'SIGINT',
  'SIGTERM',
  'SIGQUIT',
  'SIGKILL',
  'convoy stop',
  'its last step',
  'a terminal that vanishes',
] as const
export type Ending = (typeof ENDINGS)[number]

/** Additional faults that do not end a run by themselves. */
export const CONDITIONS = [
  'SIGHUP without a terminal',
  'standard output without a reader',
  'standard output on a full disk',
  'standard error without a reader',
  'standard error on a full disk',
  'a full disk',
  'a disk that something else fills again and again',
  'a frozen worker',
  'connections that say nothing',
] as const
export type Condition = (typeof CONDITIONS)[number]

export interface PlannedEnding {
  /** Counted from 1. */
  readonly run: number
  readonly command: 'train' | 'coordinator'
  readonly ending: Ending
  /** At most two compatible ones. */
  readonly conditions: readonly Condition[]
  /** Whether the time counts from the first step, or from the moment the coordinator listens. */
  readonly isAfterFirstStep: boolean
  /** Seconds until the conditions, and from these to the ending. */
  readonly afterSeconds: readonly [number, number]
}

const MAX_RUN_SECONDS = 15
const MAX_CONDITION_SECONDS = 3
const MAX_CONDITIONS = 2
/** Share of the runs that may end while they start. */
const EARLY_SHARE = 0.2

/** Endings and conditions that this machine does not support, with the reason. */
export function impossible(): Map<Ending | Condition, string> {
  const reasons = new Map<Ending | Condition, string>()
  if (noTerminal) reasons.set('a terminal that vanishes', noTerminal)
  const noMount = mountFault()
  if (noMount !== undefined)
    for (const condition of CONDITIONS)
      if (condition.startsWith('a disk') || condition === 'a full disk') reasons.set(condition, noMount)
  return reasons
}

function mountFault(): string | undefined {
  if (os.platform() !== 'linux' || process.getuid?.() !== 0) return 'only root mounts a small disk, on Linux'
  return spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', '-o', 'size=1m', 'none', os.tmpdir()]).status === 0
    ? undefined
    : 'no tmpfs can be mounted here'
}

/** Determined by the seed and the number of the run. Every seven runs have each ending once. */
export function plannedEnding(seed: number, run: number): PlannedEnding {
  const draws = new SeededDraws(seed, run)
  const ending = ENDINGS[(seed + run) % ENDINGS.length]!
  const isOnTerminal = ending === 'a terminal that vanishes'
  const conditions: Condition[] = []
  for (let count = 1 + draws.below(MAX_CONDITIONS); count > 0; count--) {
    const condition = draws.pick(CONDITIONS)
    const topic = topicOf(condition)
    if (conditions.some((other) => topicOf(other) === topic)) continue
    // Both outputs are the terminal in this case.
    if (isOnTerminal && ['standard', 'SIGHUP'].includes(topic)) continue
    conditions.push(condition)
  }
  return {
    run,
    command: draws.pick(['train', 'coordinator']),
    ending,
    conditions,
    isAfterFirstStep: ending === 'its last step' || !draws.chance(EARLY_SHARE),
    afterSeconds: [draws.between(0.5, MAX_RUN_SECONDS), draws.between(0, MAX_CONDITION_SECONDS)],
  }
}

/** A run has at most one condition of each topic. */
function topicOf(condition: Condition): string {
  if (condition.includes('disk') && !condition.startsWith('standard')) return 'disk'
  return condition.split(' ')[0]!
}
