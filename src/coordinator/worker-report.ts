import type { PhaseReport } from '../metrics/phases.js'
import { PHASE_BUCKETS, PHASES } from '../metrics/phases.js'
import { ConvoyError } from '../shared/errors.js'
import type { GpuMessage, Heartbeat } from '../shared/protocol/messages.js'

/** What a worker last said of itself. */
export interface WorkerReport {
  readonly shardsDone: number
  readonly residentBytes: number
  readonly tensors: number
  readonly tensorBytes: number
  readonly eventLoopDelaySeconds: number
  /** Since it joined; each phase once at most. */
  readonly phases: readonly PhaseReport[]
  /** Absent: it computes on none, or nothing is known of it. */
  readonly gpu: GpuMessage | undefined
}

export const NO_REPORT: WorkerReport = {
  ...{ shardsDone: 0, residentBytes: 0, tensors: 0, tensorBytes: 0, eventLoopDelaySeconds: 0 },
  ...{ phases: [], gpu: undefined },
}

/**
 * Takes a heartbeat for what it is: words of a peer that may be wrong.
 * @throws ConvoyError('protocol') for phases that do not exist or come twice, and for numbers that cannot be
 */
export function readHeartbeat({ gpu, phases, ...rest }: Heartbeat): WorkerReport {
  const reports = phases.map(({ phase, counts, seconds }): PhaseReport => {
    const known = PHASES.find((name) => name === phase)
    if (known === undefined || counts.length !== PHASE_BUCKETS.length + 1) throw nonsense(`phase ${phase}`)
    return { phase: known, counts, seconds }
  })
  if (new Set(reports.map(({ phase }) => phase)).size !== reports.length) throw nonsense('a phase that comes twice')
  const numbers = [
    ...Object.values<number>(rest),
    ...reports.flatMap(({ counts, seconds }) => [...counts, seconds]),
    ...Object.values<number>({ ...gpu }),
  ]
  if (!numbers.every((number) => Number.isFinite(number) && number >= 0)) throw nonsense('a number that cannot be')
  return { ...rest, phases: reports, gpu: gpu ?? undefined }
}

function nonsense(what: string): ConvoyError {
  return new ConvoyError('protocol', `A heartbeat holds ${what.slice(0, 100)}.`)
}
