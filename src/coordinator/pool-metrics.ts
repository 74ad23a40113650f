import type { PhaseReport } from '../metrics/phases.js'
import { phaseMean } from '../metrics/phases.js'
import type { GradientSourceStats } from '../training/gradient-source.js'

/** Phases of a worker's computing thread for each training shard. */
const SHARD_PHASES = ['sample', 'augment', 'forward_backward', 'encode'] as const

/** Counts and times of a pool since its beginning. */
export class PoolMetrics {
  #peakWorkers = 0
  #reissued = 0
  #results = 0
  #reduceMs = 0

  /** @param workers that can compute now */
  workerReady(workers: number): void {
    this.#peakWorkers = Math.max(this.#peakWorkers, workers)
  }

  leaseReissued(): void {
    this.#reissued++
  }

  /** A result was checked and added. */
  resultReduced(ms: number): void {
    this.#results++
    this.#reduceMs += ms
  }

  /** @param workers that can compute now @param phases of all workers that ever took part, added up */
  stats(workers: number, phases: readonly PhaseReport[]): GradientSourceStats {
    return {
      ...{ workers, peakWorkers: this.#peakWorkers, reissued: this.#reissued, reduceMs: this.#reduceMs },
      shardMs: shardMs(phases),
      resultMs: this.#results > 0 ? this.#reduceMs / this.#results : 0,
    }
  }
}

/** Mean time of a worker's computing thread per training shard. 0: never measured. */
function shardMs(phases: readonly PhaseReport[]): number {
  const means = new Map(phases.map((report) => [report.phase, phaseMean(report)]))
  if (!means.get('forward_backward')?.times) return 0
  return 1000 * SHARD_PHASES.reduce((sum, phase) => sum + (means.get(phase)?.meanSeconds ?? 0), 0)
}
