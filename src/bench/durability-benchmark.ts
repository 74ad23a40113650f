import { gradientLength } from '../model/parameter-layout.js'
import { describeModel } from '../model/describe-model.js'
import type { NetworkName } from '../model/networks/networks.js'
import { buildNetwork } from '../model/networks/networks.js'
import { counted, formatBytes } from '../shared/units.js'
import { startConvoy } from './convoy-contestant.js'
import { median, medianRatio } from './engine-benchmark.js'
import { takeTurns } from './take-turns.js'

/** The default of `--checkpoint-every` and `--keep-checkpoints`. The journal asks for checkpoints more often. */
const KEPT = { every: { kind: 'time', ms: 300_000 }, keep: 3 } as const

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
}

/** Compares runs without checkpoints and journal with runs that have both, in turns on the disk of the temporary directory. */
export async function benchmarkDurability(
  network: NetworkName,
  workers: number,
  rounds: number,
  steps: number,
  log: (text: string) => void,
): Promise<DurabilityResult> {
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
    return { network, workers, stepBytes: await stepBytesOf(network), off, on, sync, ...ratios }
  } finally {
    for (const close of closing) await close()
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
  const rows = results.map(({ network, workers, stepBytes, off, on, sync, onRatio, syncRatio }) => {
    const rates = [off, on, sync].map((ofRounds) => median(ofRounds).toFixed(0))
    const ratios = [onRatio, syncRatio].map((ratio) => `${(100 * ratio).toFixed(1)} %`)
    return `| ${network}, ${counted(workers, 'worker')} | ${formatBytes(stepBytes)} | ${rates.join(' | ')} | ${ratios.join(' | ')} |`
  })
  return [
    '| network | journal per step | off, images/s | on | sync | on / off | sync / off |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows,
    '',
  ].join('\n')
}
