import type { CheckpointEvery } from '../durability/checkpoint-policy.js'
import type { DurabilityOptions } from '../durability/durable-run-options.js'
import type { DiskCall, DiskTrouble } from './disk/simulated-disk.js'
import { SeededDraws } from './seeded-draws.js'

/** The end of a coordinator process: SIGKILL, or its machine goes down and forgets what is not on the disk. */
export interface CoordinatorDeath {
  readonly kind: 'coordinator-kill' | 'power-cut'
  /** In which of its next calls to the disk it dies; undefined: at once. */
  readonly calls?: number
  readonly backAfterMs: number
  /** What the next process dies of. */
  readonly next?: CoordinatorDeath
}

/** Something that goes wrong with the coordinator's process, machine or disk. Durations in milliseconds. */
export type StorageFault =
  CoordinatorDeath | { readonly kind: 'disk-trouble'; readonly trouble: DiskTrouble; readonly forMs: number }

type TimedFault = StorageFault & { readonly atMs: number }

export interface StorageScenario {
  readonly durability: DurabilityOptions
  /** Time of the thread that writes a checkpoint. */
  readonly checkpointMs: number
  readonly faults: readonly TimedFault[]
}

/** Draws of this stream leave the others of a scenario as they are. */
const STREAM = 1_000
const MAX_FAULTS = 7
const MAX_CALLS = 40
/** Coordinators that die one after the other. */
const MAX_DEATHS = 4
const DISK_CALLS: readonly DiskCall[] = ['read', 'write', 'sync', 'name', 'remove']

/** @param withKills whether the coordinator dies too */
export function storageScenario(seed: number, horizonMs: number, withKills: boolean): StorageScenario {
  const draws = new SeededDraws(seed, STREAM)
  const durability: DurabilityOptions = {
    every: drawInterval(draws),
    journal: draws.pick(['off', 'on', 'on', 'sync', 'sync'] as const),
    keep: 1 + draws.below(3),
  }
  const checkpointMs = draws.chance(0.5) ? draws.between(1, 50) : draws.between(50, 3_000)
  const count = draws.chance(0.3) ? 0 : draws.below(MAX_FAULTS)
  const faults = Array.from({ length: count }, () => drawFault(draws, draws.between(0, horizonMs), withKills)).flat()
  return { durability, checkpointMs, faults }
}

function drawInterval(draws: SeededDraws): CheckpointEvery {
  return draws.pick<() => CheckpointEvery>([
    () => ({ kind: 'steps', steps: 1 + draws.below(3) }),
    () => ({ kind: 'steps', steps: 1 + draws.below(3) }),
    () => ({ kind: 'time', ms: draws.between(1_000, 8_000) }),
    () => ({ kind: 'epoch' }),
    () => ({ kind: draws.chance(0.5) ? 'off' : 'epoch' }),
  ])()
}

/** A disk in trouble is often that of a coordinator that dies soon. */
function drawFault(draws: SeededDraws, atMs: number, withKills: boolean): TimedFault[] {
  if (withKills && draws.chance(0.5)) return [{ ...drawDeath(draws), atMs }]
  const forMs = draws.between(500, 15_000)
  const trouble = { kind: 'disk-trouble', trouble: drawTrouble(draws), forMs, atMs } as const
  if (!withKills || draws.chance(0.5)) return [trouble]
  return [trouble, { ...drawDeath(draws), atMs: atMs + draws.between(0, 1.5 * forMs) }]
}

function drawDeath(draws: SeededDraws, deaths = 1): CoordinatorDeath {
  return {
    kind: draws.pick(['coordinator-kill', 'power-cut'] as const),
    ...(draws.chance(0.7) && { calls: 1 + draws.below(MAX_CALLS) }),
    backAfterMs: draws.between(100, 4_000),
    ...(deaths < MAX_DEATHS && draws.chance(0.4) && { next: drawDeath(draws, deaths + 1) }),
  }
}

function drawTrouble(draws: SeededDraws): DiskTrouble {
  return draws.pick<() => DiskTrouble>([
    () => ({ freeBytes: draws.below(20_000) }),
    () => ({ delayMs: draws.between(1, 2_000) }),
    () => ({
      failing: {
        calls: draws.chance(0.3) ? DISK_CALLS : [draws.pick(DISK_CALLS)],
        probability: draws.chance(0.3) ? 1 : draws.between(0.02, 0.5),
      },
    }),
  ])()
}
