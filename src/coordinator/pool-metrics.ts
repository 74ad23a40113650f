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
  /** When each worker got the training lease that it holds. */
  readonly #grantedMs = new Map<number, number>()
  /** Workers that have returned a result: the first one of each includes building its graph. */
  readonly #returned = new Set<number>()
  /** Of the times of training shards: their number, their mean, and the sum of their squared deviations from it (Welford 1962). */
  readonly #spread = { count: 0, mean: 0, squares: 0 }

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

  /** A worker gets a training lease. */
  leaseGranted(worker: number, nowMs: number): void {
    this.#grantedMs.set(worker, nowMs)
  }

  /** The worker returned its result. */
  leaseReturned(worker: number, nowMs: number, shards: number): void {
    const grantedMs = this.#grantedMs.get(worker)
    this.#grantedMs.delete(worker)
    if (grantedMs === undefined) return
    if (!this.#returned.has(worker)) {
      this.#returned.add(worker)
      return
    }
    const ms = nowMs - grantedMs
    const spread = this.#spread
    const deviation = ms / shards - spread.mean
    spread.count++
    spread.mean += deviation / spread.count
    // A mean of several shards deviates less than one of them.
    spread.squares += shards * deviation * (ms / shards - spread.mean)
  }

  /** @param workers that can compute now @param phases of all workers that ever took part, added up */
  stats(workers: number, phases: readonly PhaseReport[]): GradientSourceStats {
    return {
      ...{ workers, peakWorkers: this.#peakWorkers, reissued: this.#reissued, reduceMs: this.#reduceMs },
      shardMs: shardMs(phases),
      ...(this.#spread.count > 1 && { shardJitter: this.#jitter() }),
      resultMs: this.#results > 0 ? this.#reduceMs / this.#results : 0,
    }
  }

  /** Of times that are spread evenly around their mean, the largest deviation is the square root of 3 times the standard deviation. */
  #jitter(): number {
    const { count, mean, squares } = this.#spread
    return Math.sqrt((3 * squares) / (count - 1)) / mean
  }
}

/** Mean time of a worker's computing thread per training shard. 0: never measured. */
function shardMs(phases: readonly PhaseReport[]): number {
  const means = new Map(phases.map((report) => [report.phase, phaseMean(report)]))
  if (!means.get('forward_backward')?.times) return 0
  return 1000 * SHARD_PHASES.reduce((sum, phase) => sum + (means.get(phase)?.meanSeconds ?? 0), 0)
}
