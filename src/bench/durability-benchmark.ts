import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { gradientLength } from '../model/parameter-layout.js'
import { describeModel } from '../model/describe-model.js'
import type { NetworkName } from '../model/networks/networks.js'
import { buildNetwork } from '../model/networks/networks.js'
import { counted, formatBytes } from '../shared/units.js'
import { startConvoy } from './convoy-contestant.js'
import { median, medianRatio } from './engine-benchmark.js'
import { ConvoyRun } from './faults/convoy-run.js'
import { untilFound } from './faults/killable-run.js'
import { takeTurns } from './take-turns.js'

/** The default of `--checkpoint-every` and `--keep-checkpoints`. The journal asks for checkpoints more often. */
const KEPT = { every: { kind: 'time', ms: 300_000 }, keep: 3 } as const
/** Time between two deaths of the coordinator: the journal that is replayed gets longer each time. */
const BETWEEN_RESTARTS_MS = 15_000

export interface DurabilityResult {
  readonly network: NetworkName
  readonly workers: number
  /** Of a gradient vector: what the journal grows by in a step. */
  readonly stepBytes: number
  /** Images per second, round by round. */
  readonly off: readonly number[]
  readonly on: readonly number[]
  readonly sync: readonly number[]
  /** Medians of the ratios, relative to off. */
  readonly onRatio: number
  readonly syncRatio: number
  /** From each death of a coordinator with journal to the end of the first new step; its workers stay. */
  readonly restartSeconds: readonly number[]
}

export interface DurabilityBenchmarkOptions {
  readonly workers: number
  readonly rounds: number
  /** Steps in each turn. */
  readonly steps: number
  /** How often a coordinator is killed. */
  readonly restarts: number
  readonly log: (text: string) => void
}

/** Compares runs without checkpoints and journal with runs that have both, in turns on the disk of the temporary directory. */
export async function benchmarkDurability(
  network: NetworkName,
  options: DurabilityBenchmarkOptions,
): Promise<DurabilityResult> {
  const { workers, rounds, steps, log } = options
  const restartSeconds = await measureRestarts(network, options)
  const task = { network, precision: 'float32', augmentation: true } as const
  const closing: (() => Promise<void>)[] = []
  try {
    const contestants = []
    for (const durability of [undefined, { ...KEPT, journal: 'on' as const }, { ...KEPT, journal: 'sync' as const }]) {
      const contestant = await startConvoy(task, workers, 'cpu', undefined, undefined, durability)
      closing.unshift(async () => contestant.close())
      contestants.push(contestant)
    }
    const [off, on, sync] = (await takeTurns(contestants, rounds, steps, log)) as [number[], number[], number[]]
    const ratios = { onRatio: medianRatio(on, off), syncRatio: medianRatio(sync, off) }
    return { network, workers, stepBytes: await stepBytesOf(network), off, on, sync, ...ratios, restartSeconds }
  } finally {
    for (const close of closing) await close()
  }
}

/** Kills the coordinator of a run a number of times. */
async function measureRestarts(
  network: NetworkName,
  { workers, restarts, log }: DurabilityBenchmarkOptions,
): Promise<number[]> {
  if (restarts === 0) return []
  const directory = mkdtempSync(path.join(os.tmpdir(), 'convoy-restarts-'))
  const over = new AbortController()
  const run = new ConvoyRun({ network, data: undefined, workers, steps: 1_000_000 }, directory)
  run.ended.catch((error: unknown) => {
    over.abort(error)
  })
  try {
    await run.firstStep
    for (let count = 1; count <= restarts; count++) {
      await delay(BETWEEN_RESTARTS_MS, undefined, { signal: over.signal })
      run.killCoordinator()
      await untilFound(() => run.restartSeconds()[count - 1], over.signal)
      log(`Restart ${count} of ${restarts}: ${run.restartSeconds().at(-1)!.toFixed(2)} s to the first new step`)
    }
    return run.restartSeconds()
  } finally {
    await run.close()
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  }
}

async function stepBytesOf(name: NetworkName): Promise<number> {
  const layers = await buildNetwork({ name, reg: 0, dropoutRate: 0 }, [32, 32, 3], 10)
  const { layout } = describeModel(layers)
  layers.dispose()
  return 4 * gradientLength(layout)
}

/** Markdown. */
export function durabilityReport(results: readonly DurabilityResult[]): string {
  const rows = results.map(({ network, workers, stepBytes, off, on, sync, onRatio, syncRatio, restartSeconds }) => {
    const rates = [off, on, sync].map((ofRounds) => median(ofRounds).toFixed(0))
    const ratios = [onRatio, syncRatio].map((ratio) => `${(100 * ratio).toFixed(1)} %`)
    const restart =
      restartSeconds.length === 0
        ? ''
        : `${median(restartSeconds).toFixed(1)}, ${Math.max(...restartSeconds).toFixed(1)}`
    return `| ${network}, ${counted(workers, 'worker')} | ${formatBytes(stepBytes)} | ${rates.join(' | ')} | ${ratios.join(' | ')} | ${restart} |`
  })
  return [
    '| network | journal per step | off, images/s | on | sync | on / off | sync / off | restart to the first new step, s: median, longest |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows,
    '',
  ].join('\n')
}
