import type { Json } from '../../support/launch.js'
import type { FaultKind, PlannedFault } from './fault-schedule.js'

/** An injected fault. */
export interface InjectedFault {
  readonly planned: PlannedFault
  /** The worker's name. */
  readonly name: string
  /** It uses shared memory: its leases and results do not pass its link. */
  readonly usesMemory: boolean
  /** Milliseconds since 1970. */
  readonly atMs: number
}

interface Limit {
  readonly leastSeconds: number
  readonly limitMs: number
  /** The link alone is affected: who delivers results without it may stay. */
  readonly ofLink?: true
}

/** How soon the coordinator must drop the worker. Shorter faults may stay undetected. */
const LIMITS: Partial<Record<FaultKind, Limit>> = {
  kill: { leastSeconds: 0, limitMs: 1_000 },
  reset: { leastSeconds: 0, limitMs: 1_000 },
  'half-open': { leastSeconds: 0, limitMs: 1_000 },
  freeze: { leastSeconds: 5, limitMs: 4_000 },
  dark: { leastSeconds: 5, limitMs: 4_000, ofLink: true },
  'dark-up': { leastSeconds: 5, limitMs: 4_000, ofLink: true },
  'dark-down': { leastSeconds: 5, limitMs: 4_000, ofLink: true },
}
/** After an instantaneous fault, a worker that leaves later than this left for another reason. */
const AFTERMATH_MS = 5_000

export interface Detection {
  /** From the fault to the coordinator's `worker-left`; undefined when it did not leave. */
  readonly afterMs: number | undefined
  /** Why this is too late; undefined when it is in time. */
  readonly violation: string | undefined
}

/**
 * When the coordinator dropped the worker of a fault.
 * @param lines of metrics.jsonl
 * @returns undefined when this is unknown: the worker did not take part, or the run ended before the detection was due
 */
export function detectionOf(fault: InjectedFault, lines: readonly Json[]): Detection | undefined {
  const { planned, name, usesMemory, atMs } = fault
  const limit = LIMITS[planned.kind]
  const news = lines.filter(
    ({ kind, worker }) =>
      // A coordinator that resumes the run begins without workers.
      kind === 'resumed' ||
      ((kind === 'worker-joined' || kind === 'worker-left') && (worker as { name: string }).name === name),
  )
  const before = news.filter((line) => sinceMs(line, atMs) < 0).at(-1)
  if (before?.['kind'] !== 'worker-joined') return undefined
  const left = news.find((line) => line['kind'] === 'worker-left' && sinceMs(line, atMs) >= 0)
  const afterMs = left === undefined ? undefined : sinceMs(left, atMs)
  const isItsOwn = afterMs !== undefined && afterMs <= planned.seconds * 1000 + AFTERMATH_MS
  const found = isItsOwn ? afterMs : undefined
  const mayStay = limit === undefined || planned.seconds < limit.leastSeconds || (usesMemory && limit.ofLink)
  if (mayStay) return { afterMs: found, violation: undefined }
  const lastStep = lines.filter(({ kind }) => kind === 'step').at(-1)
  if (lastStep === undefined || sinceMs(lastStep, atMs) < limit.limitMs) return undefined
  if (found !== undefined && found <= limit.limitMs) return { afterMs: found, violation: undefined }
  const what = found === undefined ? 'was not noticed' : `was noticed after ${Math.round(found)} ms`
  return { afterMs: found, violation: `${planned.kind} of ${name} ${what}; ${limit.limitMs} ms are allowed` }
}

/** `time` is in seconds since 1970. */
function sinceMs(line: Json, atMs: number): number {
  return Number(line['time']) * 1000 - atMs
}
