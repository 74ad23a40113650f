import type { PhaseReport } from '../metrics/phases.js'
import { PHASE_BUCKETS, PHASES } from '../metrics/phases.js'
import type { WorkerStats } from '../metrics/worker-stats.js'
import { ConvoyError } from '../shared/errors.js'
import type { Heartbeat } from '../shared/protocol/messages.js'

/** Of a relay: more would let it take every shard. */
const MAX_WORKERS = 4_096

/**
 * Checks a heartbeat: it comes from a peer that may be wrong.
 * @throws ConvoyError('protocol') for an unknown or repeated phase, for a negative or infinite number, and for too many workers
 */
export function readHeartbeat({ gpu, phases, ...rest }: Heartbeat): WorkerStats {
  const reports = phases.map(({ phase, counts, seconds }): PhaseReport => {
    const known = PHASES.find((name) => name === phase)
    if (known === undefined || counts.length !== PHASE_BUCKETS.length + 1) throw invalid(`phase ${phase}`)
    return { phase: known, counts, seconds }
  })
  if (new Set(reports.map(({ phase }) => phase)).size !== reports.length) throw invalid('a phase twice')
  const numbers = [
    ...Object.values<number>(rest),
    ...reports.flatMap(({ counts, seconds }) => [...counts, seconds]),
    ...Object.values<number>({ ...gpu }),
  ]
  if (!numbers.every((number) => Number.isFinite(number) && number >= 0)) throw invalid('an invalid number')
  if ((rest.workers ?? 0) > MAX_WORKERS) throw invalid('too many workers')
  return { ...rest, phases: reports, gpu: gpu ?? undefined }
}

function invalid(part: string): ConvoyError {
  return new ConvoyError('protocol', `Heartbeat holds ${part.slice(0, 100)}.`)
}
