import { setTimeout as delay } from 'node:timers/promises'
import type { Json } from '../../support/launch.js'
import { Launch } from '../../support/launch.js'
import type { Detection, InjectedFault } from './detection.js'
import { detectionOf } from './detection.js'
import type { FaultKind } from './fault-schedule.js'
import { ALL_KINDS, faultSchedule } from './fault-schedule.js'
import { Fleet } from './fleet.js'
import type { FootprintGrowth } from './footprint.js'
import { FootprintWatch, growthViolations } from './footprint.js'
import { injectFault } from './inject-fault.js'
import { stepsViolation } from './step-ledger.js'

export interface ChaosOptions {
  readonly seed: number
  readonly minutes: number
  readonly workers: number
  readonly intervalSeconds: number
  /** Faults of these kinds alone. @default all */
  readonly kinds?: readonly FaultKind[]
  /** Ends the run after so many. @default no limit */
  readonly maxFaults?: number
  /** Flags that determine the weights, except the number of steps. */
  readonly run: readonly string[]
  readonly environment?: NodeJS.ProcessEnv
  /** Receives progress lines. */
  readonly log: (line: string) => void
}

export interface ChaosOutcome {
  readonly faults: readonly (InjectedFault & { readonly detection: Detection | undefined })[]
  readonly steps: number
  readonly seconds: number
  /** Training samples per second, relative to the fault-free run. Undefined after a kill of the coordinator, which does not count what was before. */
  readonly goodput: number | undefined
  readonly counts: Readonly<Record<'reissued' | 'rescued' | 'refused' | 'quarantined' | 'worker-left', number>>
  /** Growth of the first coordinator's process, until it is killed or the run ends. */
  readonly growth: FootprintGrowth | undefined
  /** Violations of the contract of a run; empty without one. */
  readonly violations: readonly string[]
}

/** Time for the step, the evaluation and the results in progress when the run is asked to stop. */
const MAX_END_MS = 120_000

/** Compares a run with a fault every few seconds with one of the same configuration and as many steps without faults. */
export async function chaosRun(options: ChaosOptions): Promise<ChaosOutcome> {
  const { seed, minutes, workers, run, environment = {}, log } = options
  const fleet = new Fleet({ run, environment, seed })
  const stuck = new AbortController()
  const timer = setTimeout(
    () => {
      stuck.abort()
      fleet.coordinator.child.kill('SIGCONT')
      fleet.coordinator.kill()
    },
    minutes * 60_000 + MAX_END_MS,
  )
  const startedMs = performance.now()
  try {
    const names = Array.from({ length: workers }, (_, index) => `w${index}`)
    for (const [index, name] of names.entries())
      await fleet.add(name, ...(usesMemory(index) ? [] : ['--no-shared-memory']))
    await Promise.all(names.map(async (name) => fleet.joined(name)))
    const footprint = new FootprintWatch(fleet.coordinator.child.pid!)
    const { faults, violations } = await disturb(fleet, options)
    const growth = footprint.end()
    const { adminAddress } = await fleet.coordinator.announcement()
    const stopped = new Launch(['stop', '--admin', adminAddress])
    if ((await stopped.status()) !== 0) throw new Error(`convoy stop failed: ${stopped.stderr}`)
    await fleet.ended()
    const status = await fleet.coordinator.status()
    const seconds = (performance.now() - startedMs) / 1000
    clearTimeout(timer)
    const lines = await fleet.coordinator.metrics()
    const seen = faults.map((fault) => ({ ...fault, detection: detectionOf(fault, lines) }))
    const result = status === 0 ? await fleet.coordinator.result() : {}
    const steps = Number(result['steps'] ?? 0)
    log(`${steps} steps; now as many without faults`)
    const reference = steps > 0 ? await undisturbed(options, steps) : {}
    const count = (kind: string): number => lines.filter((line) => line['kind'] === kind).length
    return {
      faults: seen,
      steps,
      seconds,
      goodput: faults.some(({ planned }) => planned.kind === 'kill-coordinator')
        ? undefined
        : Number(result['samplesPerSecond'] ?? 0) / Number(reference['samplesPerSecond']),
      counts: {
        reissued: count('reissued'),
        rescued: count('rescued'),
        refused: count('refused'),
        quarantined: count('quarantined'),
        'worker-left': count('worker-left'),
      },
      growth,
      violations: [
        ...(stuck.signal.aborted ? [`not over ${MAX_END_MS / 1000} s after it was asked to stop`] : []),
        ...(status === 0 ? [] : [`exit status ${status}: ${fleet.coordinator.stderr.slice(-1_000)}`]),
        ...(status !== 0 || result['weightsSha256'] === reference['weightsSha256']
          ? []
          : [`other weights: ${String(result['weightsSha256'])}`]),
        ...[stepsViolation(lines, steps) ?? []].flat(),
        ...violations,
        ...seen.flatMap(({ detection }) => detection?.violation ?? []),
        ...(growth ? growthViolations(growth) : []),
      ],
    }
  } finally {
    clearTimeout(timer)
    fleet.close()
  }
}

/** Half of the workers use shared memory, half send everything through the bad network. */
function usesMemory(worker: number): boolean {
  return worker % 2 === 0
}

async function undisturbed({ run, environment, workers }: ChaosOptions, steps: number): Promise<Json> {
  const flags = ['--max-steps', `${steps}`, '--workers', `${workers}`, '--json']
  return new Launch(['train', ...run, ...flags], environment).result()
}

/** Injects faults as planned until the time is up or the run ends, which it should not. */
async function disturb(
  fleet: Fleet,
  { seed, minutes, workers, intervalSeconds, kinds = ALL_KINDS, maxFaults = Infinity, log }: ChaosOptions,
): Promise<{ readonly faults: readonly InjectedFault[]; readonly violations: readonly string[] }> {
  const over = new AbortController()
  void fleet.ended().then(() => {
    over.abort()
  })
  const beganMs = Date.now()
  const injected: InjectedFault[] = []
  const violations: string[] = []
  const under: Promise<void>[] = []
  let resuming = Promise.resolve()
  const names = [...fleet.workers.keys()]
  for (const planned of faultSchedule(seed, workers, intervalSeconds, kinds)) {
    if (planned.atSeconds >= minutes * 60 || injected.length >= maxFaults) break
    const waitMs = Math.max(0, beganMs + planned.atSeconds * 1000 - Date.now())
    await delay(waitMs, undefined, { signal: over.signal }).catch(() => undefined)
    await resuming
    if (over.signal.aborted) break
    const name = planned.kind.endsWith('coordinator') ? 'coordinator' : names[planned.worker]!
    const worker = fleet.workers.get(names[planned.worker]!)!
    // A worker that exited by itself, as after a rejected join, is restarted as by a supervisor.
    if (worker.hasEnded) worker.restart()
    const lasting = planned.seconds > 0 ? ` for ${planned.seconds.toFixed(1)} s` : ''
    log(`${planned.atSeconds.toFixed(0).padStart(5)} s  ${planned.kind} ${name}${lasting}`)
    injected.push({ planned, name, usesMemory: usesMemory(planned.worker), atMs: Date.now() })
    const fault = injectFault(planned, fleet, worker, over.signal).catch((error: unknown) => {
      violations.push((error as Error).message)
    })
    under.push(fault)
    if (planned.kind === 'kill-coordinator') resuming = fault
  }
  await Promise.all(under)
  return { faults: injected, violations }
}
