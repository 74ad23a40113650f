import { SeededDraws } from '../../../src/simulation/seeded-draws.js'

export const FAULT_KINDS = {
  kill: 'SIGKILL of a worker, started again',
  freeze: 'SIGSTOP of a worker',
  'slow-cpu': 'a worker that gets a tenth of its processor',
  delay: 'a link with 30 to 200 ms each way and as much jitter',
  loss: 'a link that loses a fifth of what is sent',
  'slow-link': 'a link of 1 to 10 Mbit/s',
  reset: 'RST of all connections of a worker',
  'half-open': 'connections closed, seen only by the coordinator',
  'dark-up': 'nothing passes from a worker to the coordinator',
  'dark-down': 'nothing passes from the coordinator to a worker',
  dark: 'nothing passes, either way',
  flip: 'flipped bits, either way',
  drain: 'SIGTERM of a worker, started again',
  'freeze-coordinator': 'SIGSTOP of the coordinator',
  'kill-coordinator': 'SIGKILL of the coordinator, resumed',
} as const
export type FaultKind = keyof typeof FAULT_KINDS
export const ALL_KINDS = Object.keys(FAULT_KINDS) as FaultKind[]

export interface PlannedFault {
  /** Time since the start of the injection. */
  readonly atSeconds: number
  readonly kind: FaultKind
  /** Index of the worker; unused for faults of the coordinator. */
  readonly worker: number
  /** Duration. */
  readonly seconds: number
  /** Seed of random choices within the fault. */
  readonly draw: number
}

const MIN_SECONDS = 2
const MAX_SECONDS = 10
/** From the end of a fault until its worker takes part again: TensorFlow loads, or the join is repeated. */
const RECOVERY_SECONDS = 5
/** A coordinator starts, perhaps twice, and its workers join again. */
const RESUMPTION_SECONDS = 12
/** Instantaneous faults. */
const SUDDEN: readonly FaultKind[] = ['kill', 'reset', 'half-open', 'drain', 'flip', 'kill-coordinator']
const OF_COORDINATOR: readonly FaultKind[] = ['freeze-coordinator', 'kill-coordinator']

/**
 * An endless sequence of faults, determined by the seed. A worker has one fault at a time, and no worker has one while the
 * coordinator is stopped or starts; otherwise a detection could not be attributed to its fault.
 */
export function* faultSchedule(
  seed: number,
  workers: number,
  intervalSeconds: number,
  kinds: readonly FaultKind[],
): Generator<PlannedFault> {
  const draws = new SeededDraws(seed, 0xfa)
  const freeAtSeconds = Array.from({ length: workers }, () => 0)
  for (let atSeconds = intervalSeconds; ; atSeconds += intervalSeconds) {
    const kind = draws.pick(kinds)
    const drawnSeconds = draws.between(MIN_SECONDS, MAX_SECONDS)
    const draw = draws.unit()
    const forAll = OF_COORDINATOR.includes(kind)
    // The fault waits for its turn. If it were skipped, faults that need all workers would rarely occur.
    atSeconds = Math.max(atSeconds, (forAll ? Math.max : Math.min)(...freeAtSeconds))
    const free = freeAtSeconds.flatMap((at, worker) => (at <= atSeconds ? [worker] : []))
    const worker = draws.pick(free)
    const seconds = SUDDEN.includes(kind) ? 0 : drawnSeconds
    const untilSeconds = atSeconds + seconds + (kind === 'kill-coordinator' ? RESUMPTION_SECONDS : RECOVERY_SECONDS)
    if (forAll) freeAtSeconds.fill(untilSeconds)
    else freeAtSeconds[worker] = untilSeconds
    yield { atSeconds, kind, worker, seconds, draw }
  }
}
