import os from 'node:os'
import type { Task } from './contestant.js'
import { startConvoy } from './convoy-contestant.js'
import { CpuLimit } from './cpu-limit.js'
import { medianRatio } from './engine-benchmark.js'
import { takeTurns } from './take-turns.js'

const TASK: Task = { network: 'resnet20', precision: 'float32', augmentation: true }
/** Sixteen shards a step: a slow worker can get a small part. */
const SHARD_SIZE = 8
const EQUALS = 3
const SLOWNESS = 10
/** Cores left for the coordinator. */
const CORES_LEFT = 0.5

export interface StragglerResult {
  /** Cores of each of the equal workers; the straggler has a tenth of it. */
  readonly coresEach: number
  /** Images per second, round by round. */
  readonly without: readonly number[]
  readonly with: readonly number[]
  /** Median of the ratios: with the straggler, relative to without. */
  readonly ratio: number
}

/**
 * Measures the cost of a fourth worker at a tenth of the speed to the other three, with limits enforced by the kernel. Turns alternate
 * between a run without the fourth worker and a run with it.
 * @throws ConvoyError('environment') when no limits can be set
 */
export async function benchmarkStraggler(
  rounds: number,
  steps: number,
  log: (text: string) => void,
): Promise<StragglerResult> {
  const coresEach = Math.min(1, (os.availableParallelism() - CORES_LEFT) / EQUALS)
  const closing: (() => Promise<void> | void)[] = []
  const limited = async (name: string, cores: readonly number[]) => {
    const contestant = await startConvoy(TASK, cores.length, 'cpu', SHARD_SIZE)
    closing.unshift(async () => contestant.close())
    for (const [index, pid] of contestant.pids.entries()) {
      const limit = new CpuLimit(`convoy-${process.pid}-${name}-${index}`, cores[index]!)
      closing.push(() => {
        limit.close()
      })
      limit.add(pid)
    }
    return contestant
  }
  try {
    const equals = Array.from({ length: EQUALS }, () => coresEach)
    const contestants = [await limited('without', equals), await limited('with', [...equals, coresEach / SLOWNESS])]
    const [without, withOne] = (await takeTurns(contestants, rounds, steps, log)) as [number[], number[]]
    const ratio = medianRatio(withOne, without)
    return { coresEach, without, with: withOne, ratio }
  } finally {
    for (const close of closing) await close()
  }
}
