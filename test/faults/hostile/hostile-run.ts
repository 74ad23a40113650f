import os from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { processorSeconds } from '../../../src/bench/processor-seconds.js'
import type { DeviceDescription } from '../../../src/tensorflow/engine/engine.js'
import { SeededDraws } from '../../../src/simulation/seeded-draws.js'
import { Fleet } from '../chaos/fleet.js'
import { stepsViolation } from '../chaos/step-ledger.js'
import { tinyDataset } from '../../support/tiny-dataset.js'
import { Launch } from '../../support/launch.js'
import type { AttackKind, Target } from './attacks.js'
import { ATTACKS } from './attacks.js'
import type { Usage } from './process-usage.js'
import { mebibytes, usageOf } from './process-usage.js'
import { RawPeers } from './raw-peer.js'

export interface HostileOptions {
  readonly seed: number
  readonly joins: number
  /** Number of rounds of joins, with a calm before and after each, because other load on the machine varies. */
  readonly rounds: number
  /** Hostile joins per second. */
  readonly rate: number
  /** Whether the attacker has low priority, because one on another machine would use no processor here. */
  readonly yields: boolean
  /** Length of each calm in seconds; the warm-up is twice as long. */
  readonly calmSeconds: number
  /** Receives progress lines. */
  readonly log: (line: string) => void
}

/** Steps per second. */
type Rates = Readonly<Record<'before' | 'during' | 'after', number>>

export interface HostileOutcome {
  /** Number of joins by kind. */
  readonly joins: Readonly<Record<string, number>>
  readonly attackSeconds: number
  readonly rounds: readonly Rates[]
  /** Median over the rounds of the rate in a round, relative to the mean of the rates before and after it. */
  readonly keptRate: number
  /** Processor seconds per second of the attack. */
  readonly load: Readonly<Record<'attacker' | 'coordinator', number>>
  /** Usage of the coordinator: after the warm-up, the maximum until the end, and after the attack. */
  readonly usage: Readonly<Record<'before' | 'peak' | 'after', Usage>>
  /** Violations other than of speed. */
  readonly violations: readonly string[]
}

const WORKERS = ['a', 'b']
/** Limit for the growth of the coordinator's resident memory. */
const MAX_GROWTH_BYTES = 64 * 2 ** 20
/** Allowance for connections of honest workers and files that are open for a moment. */
const MAX_MORE_DESCRIPTORS = 8
/** Limit for connections of the attacker. */
const MAX_OPEN = 4_000
const SAMPLE_MS = 200
/** Time for the coordinator to close unwanted connections. */
const CLOSING_MS = 40_000

/** Compares a run of two honest workers and a seeded flood of hostile joins with one of as many steps without joins. */
export async function hostileRun(options: HostileOptions): Promise<HostileOutcome> {
  const { rate, joins, rounds, calmSeconds, log } = options
  const data = tinyDataset()
  const run = ['--recipe', 'quick', '--seed', '7', '--data', data.directory, '--epochs', '100000']
  run.push('--batch-size', '32', '--shard-size', '4')
  const fleet = new Fleet({ run, environment: data.environment })
  const workers: Launch[] = []
  const peers = new RawPeers(MAX_OPEN)
  let sampling: NodeJS.Timeout | undefined
  try {
    const { coordinator } = fleet
    const pid = coordinator.child.pid!
    const { address, adminAddress } = await coordinator.announcement()
    // Directly to the coordinator: a proxy would share the attacker's process and be as slow.
    for (const name of WORKERS)
      workers.push(new Launch(['worker', '--join', address, '--name', name], data.environment))
    const [joined] = await Promise.all(WORKERS.map(async (name) => fleet.joined(name)))
    const { device } = joined!['worker'] as { device: DeviceDescription }
    await delay(2 * 1000 * calmSeconds)
    const before = usageOf(pid)
    let peak = before
    log(`${mebibytes(before.bytes)}, ${before.descriptors} descriptors; ${joins} hostile joins at ${rate} per second`)
    sampling = setInterval(() => {
      const { bytes, descriptors } = usageOf(pid)
      peak = { bytes: Math.max(peak.bytes, bytes), descriptors: Math.max(peak.descriptors, descriptors) }
    }, SAMPLE_MS)

    if (options.yields) os.setPriority(os.constants.priority.PRIORITY_LOW)
    const attacker = new Attacker({ address, adminAddress, device }, peers, options)
    const windows: { fromMs: number; toMs: number }[] = []
    const window = async (what: () => Promise<unknown>): Promise<void> => {
      const fromMs = Date.now()
      await what()
      windows.push({ fromMs, toMs: Date.now() })
    }
    const cpu = { attacker: 0, coordinator: 0 }
    await window(async () => delay(1000 * calmSeconds))
    for (let round = 0; round < rounds; round++) {
      const [own, its] = [processorSeconds(process.pid), processorSeconds(pid)]
      await window(async () => attacker.attack(Math.ceil(joins / rounds)))
      cpu.attacker += processorSeconds(process.pid) - own
      cpu.coordinator += processorSeconds(pid) - its
      await window(async () => delay(1000 * calmSeconds))
      log(`${attacker.joins} joins; ${mebibytes(usageOf(pid).bytes)}, at most ${mebibytes(peak.bytes)}`)
    }
    const deadlineMs = Date.now() + CLOSING_MS
    const isOver = (): boolean => usageOf(pid).descriptors <= before.descriptors + MAX_MORE_DESCRIPTORS
    while (!isOver() && Date.now() < deadlineMs) await delay(SAMPLE_MS)
    const after = usageOf(pid)
    clearInterval(sampling)

    await new Launch(['stop', '--admin', adminAddress]).status()
    const result = await coordinator.result()
    const steps = Number(result['steps'])
    log(`${steps} steps; now as many without the attack`)
    const calm = ['train', ...run, '--workers', `${WORKERS.length}`, '--max-steps', `${steps}`, '--json']
    const expected = await new Launch(calm, data.environment).result()
    const lines = await coordinator.metrics()
    const left = lines.filter(({ kind }) => kind === 'worker-left')
    const lost = left.filter(({ worker }) => WORKERS.includes((worker as { name: string }).name))
    const endMs = 1000 * Number(lines.find(({ kind }) => kind === 'finished')?.['time'])
    const stepsPerSecond = windows.map(({ fromMs, toMs }) => {
      const done = lines.filter(({ kind, time }) => {
        return kind === 'step' && Number(time) * 1000 >= fromMs && Number(time) * 1000 < toMs
      })
      return done.length / ((toMs - fromMs) / 1000)
    })
    const rates = Array.from({ length: rounds }, (_, round): Rates => {
      const [before = 0, during = 0, after = 0] = stepsPerSecond.slice(2 * round)
      return { before, during, after }
    })
    const kept = rates.map(({ before, during, after }) => during / ((before + after) / 2)).sort((a, b) => a - b)
    const attackSeconds =
      windows.reduce((sum, { fromMs, toMs }, index) => sum + (index % 2 ? toMs - fromMs : 0), 0) / 1000
    return {
      joins: attacker.counts,
      attackSeconds,
      rounds: rates,
      keptRate: kept[Math.floor(kept.length / 2)]!,
      load: { attacker: cpu.attacker / attackSeconds, coordinator: cpu.coordinator / attackSeconds },
      usage: { before, peak, after },
      violations: [
        ...attacker.faults,
        ...(peak.bytes - before.bytes > MAX_GROWTH_BYTES
          ? [`the coordinator's memory grew by ${mebibytes(peak.bytes - before.bytes)} at its peak`]
          : []),
        ...(after.descriptors > before.descriptors + MAX_MORE_DESCRIPTORS
          ? [
              `${after.descriptors - before.descriptors} descriptors are still open ${CLOSING_MS / 1000} s after the attack`,
            ]
          : []),
        // They end with the run.
        ...lost.flatMap(({ reason, time }) =>
          Number(time) * 1000 < endMs ? [`an honest worker was lost: ${String(reason)}`] : [],
        ),
        ...(result['weightsSha256'] === expected['weightsSha256'] ? [] : ['the weights are other ones']),
        ...[stepsViolation(lines, steps) ?? []].flat(),
      ],
    }
  } finally {
    clearInterval(sampling)
    peers.close()
    for (const worker of workers) worker.kill()
    fleet.close()
    data.remove()
  }
}

/** Starts hostile joins at their times, however long the earlier ones take. */
class Attacker {
  readonly counts: Record<string, number> = {}
  readonly #target: Target
  readonly #peers: RawPeers
  readonly #options: Pick<HostileOptions, 'seed' | 'rate'>
  readonly #draws: SeededDraws
  readonly #faults = new Set<string>()
  joins = 0

  constructor(target: Target, peers: RawPeers, options: Pick<HostileOptions, 'seed' | 'rate'>) {
    this.#target = target
    this.#peers = peers
    this.#options = options
    this.#draws = new SeededDraws(options.seed, 0x4057)
  }

  /** Unexpected outcomes, such as an accepted join. */
  get faults(): string[] {
    return [...this.#faults]
  }

  async attack(joins: number): Promise<void> {
    const { seed, rate } = this.#options
    const underWay: Promise<void>[] = []
    const beganMs = performance.now()
    for (let count = 0; count < joins; count++) {
      await delay(Math.max(0, beganMs + (1000 * count) / rate - performance.now()))
      const kind = this.#draws.pick(Object.keys(ATTACKS) as AttackKind[])
      this.counts[kind] = (this.counts[kind] ?? 0) + 1
      const index = this.joins++
      const attack = ATTACKS[kind](this.#target, this.#peers, new SeededDraws(seed, index), index)
      underWay.push(attack.catch((error: unknown) => void this.#faults.add(`${kind}: ${(error as Error).message}`)))
    }
    await Promise.all(underWay)
  }
}
