import type { Wire } from '../model/config/run-config.js'
import { SeededDraws } from './seeded-draws.js'
import type { LinkTraits } from './simulated-link.js'
import type { WorkerTraits } from './simulated-compute-thread.js'
import type { StorageFault, StorageScenario } from './storage-scenario.js'
import { storageScenario } from './storage-scenario.js'

/** Something that goes wrong, or just happens, at a moment. Durations in milliseconds. */
export type Fault =
  | { readonly kind: 'kill' | 'leave'; readonly worker: number; readonly backAfterMs: number }
  | { readonly kind: 'pause'; readonly worker: number; readonly forMs: number }
  | { readonly kind: 'slow'; readonly worker: number; readonly times: number; readonly forMs: number }
  | { readonly kind: 'cut'; readonly worker: number }
  | { readonly kind: 'dark'; readonly worker: number; readonly way: 'up' | 'down' | 'both'; readonly forMs: number }
  | { readonly kind: 'coordinator-pause'; readonly forMs: number }
  | { readonly kind: 'join'; readonly worker: number }
  | StorageFault

export interface FaultScenario {
  readonly seed: number
  readonly shards: number
  readonly steps: number
  readonly wire: Wire
  readonly auditEvery: number
  readonly link: LinkTraits
  readonly workers: readonly WorkerTraits[]
  /** Number of workers that the first step waits for: with one that lies, an audit needs two honest ones. */
  readonly quorum: number
  readonly storage: Omit<StorageScenario, 'faults'>
  readonly faults: readonly (Fault & { readonly atMs: number })[]
  /** From here on nothing goes wrong any more. */
  readonly quietAtMs: number
}

const HORIZON_MS = 15_000
/** A run of one worker is over sooner. */
const DRILL_MS = 4_000
const SHARDS = [1, 2, 3, 4, 5, 8, 13, 16]
const STEPS = [3, 5, 8]

/** A run in which all kinds of things happen; the seed decides which. In every other run it is the coordinator and its disk. */
export function faultScenario(seed: number): FaultScenario {
  const scenario = seed % 2 === 0 ? storageDrill(seed) : anyFaults(seed)
  return { ...scenario, wire: seed % 4 < 2 ? 'float32' : 'bfloat16' }
}

function storageDrill(seed: number): Omit<FaultScenario, 'wire'> {
  const draws = new SeededDraws(seed)
  const { faults: storageFaults, ...storage } = storageScenario(seed, DRILL_MS, true)
  const [shards, steps, shardMs] = [1 + draws.below(3), draws.pick(STEPS), draws.between(20, 400)]
  // The only worker may be suspect for a moment.
  const pause = {
    kind: 'pause',
    worker: 0,
    forMs: draws.between(1_000, 3_500),
    atMs: draws.between(0, DRILL_MS),
  } as const
  const faults = [...storageFaults, ...(draws.chance(0.3) ? [pause] : [])].sort((a, b) => a.atMs - b.atMs)
  return {
    ...{ seed, storage, faults, shards, steps, auditEvery: 0, quorum: 1 },
    workers: [{ name: 'worker-0', bootMs: 100, syncMs: 50, shardMs, jitter: 0, flaw: 'none' }],
    link: { latencyMs: 1, jitterMs: 0, bytesPerMs: 1_000_000, loss: 0, duplication: 0, reorder: 0 },
    quietAtMs: DRILL_MS + 30_000,
  }
}

function anyFaults(seed: number): Omit<FaultScenario, 'wire'> {
  const draws = new SeededDraws(seed)
  const count = draws.chance(0.15) ? 1 : 1 + draws.below(draws.chance(0.3) ? 32 : 6)
  const lies = count >= 3 && draws.chance(0.15)
  const auditEvery = lies ? 1 : draws.pick([0, 0, 1, 3])
  const isHostile = !lies && draws.chance(0.3)
  const shardMs = draws.between(20, 400)
  // Two that return the same nonsense would be the data's or the model's fault.
  const broken = draws.chance(0.3) ? 1 + draws.below(count) : 0
  const workers = Array.from({ length: count }, (_, index): WorkerTraits => {
    const flaw = lies
      ? index === 0
        ? 'flip'
        : 'none'
      : index > 0 && index === broken
        ? draws.pick(['crash', 'nan', 'refuse'] as const)
        : 'none'
    return {
      name: `worker-${index}`,
      bootMs: draws.between(100, 3_000),
      syncMs: draws.between(50, 1_000),
      shardMs: shardMs * (draws.chance(0.15) ? draws.between(2, 12) : draws.between(0.8, 1.25)),
      jitter: draws.between(0, 0.3),
      flaw,
    }
  })
  const faults = Array.from({ length: draws.below(lies ? 3 : 14) }, () => ({
    ...drawFault(draws, count, lies),
    atMs: draws.between(0, HORIZON_MS),
  }))
  // Workers that are killed again and again go to quarantine, and have to come out of it when no other worker is left.
  if (!lies && count <= 3 && draws.chance(0.3)) {
    for (let worker = 0; worker < count; worker++) faults.push(...killsInARow(draws, worker))
  }
  const { faults: storageFaults, ...storage } = storageScenario(seed, HORIZON_MS, !lies)
  return {
    faults: [...faults, ...storageFaults].sort((a, b) => a.atMs - b.atMs),
    ...{ seed, auditEvery, workers, storage, shards: draws.pick(SHARDS), steps: draws.pick(STEPS) },
    link: {
      latencyMs: draws.between(0.1, 60),
      jitterMs: draws.between(0, 40),
      bytesPerMs: draws.between(1_000, 1_000_000),
      loss: isHostile ? draws.between(0, 0.03) : 0,
      duplication: isHostile ? draws.between(0, 0.05) : 0,
      reorder: isHostile ? draws.between(0, 0.1) : 0,
    },
    quorum: lies ? 3 : 1,
    quietAtMs: HORIZON_MS + 30_000,
  }
}

function killsInARow(draws: SeededDraws, worker: number): (Fault & { atMs: number })[] {
  const everyMs = draws.between(1_000, 5_000)
  return Array.from({ length: 8 }, (_, index) => ({
    kind: 'kill',
    worker,
    backAfterMs: 200,
    atMs: (index + 1) * everyMs,
  }))
}

function drawFault(draws: SeededDraws, count: number, isGentle: boolean): Fault {
  const worker = draws.below(count)
  const kinds = isGentle
    ? (['slow', 'pause', 'coordinator-pause'] as const)
    : ([
        ...(['kill', 'kill', 'leave', 'pause', 'slow', 'cut', 'dark', 'dark', 'join'] as const),
        ...(['coordinator-pause', 'coordinator-kill'] as const),
      ] as const)
  const kind = draws.pick(kinds)
  switch (kind) {
    case 'kill':
    case 'leave':
      return { kind, worker, backAfterMs: draws.between(100, 6_000) }
    case 'pause':
      return { kind, worker, forMs: isGentle ? draws.between(50, 2_000) : draws.between(50, 20_000) }
    case 'slow':
      return { kind, worker, times: draws.between(2, 20), forMs: draws.between(500, 10_000) }
    case 'dark':
      return { kind, worker, way: draws.pick(['up', 'down', 'both'] as const), forMs: draws.between(100, 20_000) }
    case 'coordinator-pause':
      return { kind, forMs: draws.between(50, 20_000) }
    case 'coordinator-kill':
      return { kind, backAfterMs: draws.between(100, 4_000) }
    case 'cut':
    case 'join':
      return { kind, worker }
  }
}
