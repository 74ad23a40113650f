import os from 'node:os'
import type { RunResult } from '../training/run-events.js'
import { counted } from '../shared/units.js'
import { LOCAL_CLUSTER } from '../simulation/cluster-scenario.js'
import { guessedExchange } from '../simulation/exchange-costs.js'
import { measuredCluster } from '../simulation/measured-cluster.js'
import { predictThroughput } from '../simulation/predict-throughput.js'
import { medianRatio } from './engine-benchmark.js'
import { trainRun } from './train-run.js'

const WORKERS = [1, 2, 4] as const
/** Steps in which speeds are learnt and graphs are built. */
const WARM_UP_STEPS = 20

export interface PredictionResult {
  readonly workers: number
  /** Images per second, round by round. */
  readonly measured: readonly number[]
  /** Images per second predicted from the runs with a core for each worker, round by round. */
  readonly predicted: readonly number[]
  /** Median of predicted / measured. */
  readonly ratio: number
}

/**
 * Compares predictions of `convoy simulate` with real runs of `convoy train` on this machine. Each round's prediction is made from the
 * runs of that round that have a core for each worker.
 */
export async function benchmarkPrediction(
  recipe: string,
  rounds: number,
  steps: number,
  log: (text: string) => void,
): Promise<PredictionResult[]> {
  const cores = os.availableParallelism()
  const rates = WORKERS.map((workers) => ({ workers, measured: [] as number[], predicted: [] as number[] }))
  for (let round = 0; round < rounds; round++) {
    const runs: RunResult[] = []
    for (const { workers, measured } of rates) {
      const flags = ['--recipe', recipe, '--max-steps', `${steps + WARM_UP_STEPS}`, '--workers', `${workers}`]
      const { result, rate } = await trainRun(flags, WARM_UP_STEPS)
      measured.push(rate)
      if (workers <= cores) runs.push(result)
    }
    for (const { workers, predicted } of rates) {
      const measured = measuredCluster(runs, workers, Math.min(workers, cores))
      const exchange = guessedExchange(measured.vectorBytes)
      const scenario = { ...LOCAL_CLUSTER, ...measured, exchange, steps, seed: 1 }
      predicted.push((await predictThroughput(scenario)).samplesPerSecond)
    }
    const latest = rates.map(({ workers, measured, predicted }) => {
      return `${counted(workers, 'worker')} ${measured.at(-1)!.toFixed(0)} (predicted ${predicted.at(-1)!.toFixed(0)})`
    })
    log(`Round ${round + 1} of ${rounds}: ${latest.join(', ')} images/s`)
  }
  return rates.map(withRatio)
}

/** How the prediction compares with the measurement: above 1 it promises too much. */
export function withRatio(rates: Omit<PredictionResult, 'ratio'>): PredictionResult {
  return { ...rates, ratio: medianRatio(rates.predicted, rates.measured) }
}
