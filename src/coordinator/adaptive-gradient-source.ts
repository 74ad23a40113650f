import type { SplitName } from '../data/dataset.js'
import { counted } from '../shared/units.js'
import type { GradientSource, GradientSourceStats } from '../training/gradient-source.js'
import type { OwnCompute, OwnShards } from '../training/own-compute.js'

export interface AdaptiveGradientSourceOptions {
  /** Of this process; `shardMs` of its statistics is 0 until it is measured. */
  readonly own: GradientSource
  readonly shards: Pick<OwnShards, 'close'>
  readonly pool: GradientSource
  readonly compute: Pick<OwnCompute, 'maxWorkers' | 'startWorkers'>
  readonly shardsPerBatch: number
  readonly vectorBytes: number
  readonly totalSteps: number
  /** Workers that can compute now. */
  readonly workerCount: () => number
  /** Called when workers take over. */
  readonly onWorkers: () => void
  /** Receives a line about the choice. */
  readonly report: (line: string) => void
}

/** About what a step costs more with worker processes: messages, and vectors through memory. */
const EXCHANGE_MS = 3
const EXCHANGE_MS_PER_MB = 2
/** What workers must save in the rest of the run: they take some seconds to start. */
const MIN_SAVED_MS = 3_000
/** Share of a step that workers must save. */
const MIN_SAVED_SHARE = 0.1

/**
 * Sums of this process alone at first; of worker processes once they are there, where they are faster. That is decided by the time of the
 * first shards. No bit depends on it.
 */
export class AdaptiveGradientSource implements GradientSource {
  readonly #options: AdaptiveGradientSourceOptions
  #state: 'measuring' | 'alone' | 'starting' | 'workers' = 'measuring'
  /** Workers that take over together. */
  #wanted: number

  constructor(options: AdaptiveGradientSourceOptions) {
    this.#options = options
    this.#wanted = Math.max(1, Math.min(options.compute.maxWorkers, options.shardsPerBatch))
  }

  get stats(): GradientSourceStats {
    const { own, pool } = this.#options
    const { workers, shardMs, ...rest } = pool.stats
    const isAlone = this.#state !== 'workers'
    return {
      ...rest,
      workers: isAlone ? 1 : workers,
      peakWorkers: Math.max(1, rest.peakWorkers),
      shardMs: shardMs > 0 ? shardMs : own.stats.shardMs,
    }
  }

  publish(weights: Float32Array): void {
    this.#options.own.publish(weights)
    this.#options.pool.publish(weights)
  }

  async gradientSum(step: number, signal: AbortSignal): Promise<Float32Array> {
    if (this.#state === 'measuring') this.#choose(step)
    return this.#source().gradientSum(step, signal)
  }

  async evaluationSum(
    split: SplitName,
    step: number,
    signal: AbortSignal,
    onProgress: (samples: number) => void,
  ): Promise<Float32Array> {
    return this.#source().evaluationSum(split, step, signal, onProgress)
  }

  release(sum: Float32Array): void {
    // Sources change between two steps.
    if (this.#state === 'workers') this.#options.pool.release(sum)
    else this.#options.own.release(sum)
  }

  /** Others may join the run too. */
  #source(): GradientSource {
    const { own, shards, pool, workerCount, onWorkers } = this.#options
    if (this.#state === 'workers') return pool
    if (workerCount() < this.#wanted) return own
    this.#state = 'workers'
    onWorkers()
    shards.close()
    return pool
  }

  #choose(step: number): void {
    const { own, shardsPerBatch, compute, vectorBytes, totalSteps, report } = this.#options
    const workers = this.#wanted
    const { shardMs } = own.stats
    if (workers > 1 && shardMs === 0) return
    const aloneMs = shardsPerBatch * shardMs
    const withWorkersMs =
      Math.ceil(shardsPerBatch / workers) * shardMs + EXCHANGE_MS + (EXCHANGE_MS_PER_MB * vectorBytes) / 1e6
    const savedMs = aloneMs - withWorkersMs
    const isWorthIt = savedMs > MIN_SAVED_SHARE * aloneMs && savedMs * (totalSteps - step) > MIN_SAVED_MS
    if (workers > 1 && isWorthIt) {
      this.#state = 'starting'
      report(
        `A step takes ${aloneMs.toFixed(1)} ms in one process; starting ${counted(workers, 'worker process', 'worker processes')}.`,
      )
      compute.startWorkers(workers)
      return
    }
    this.#state = 'alone'
    const why =
      workers > 1
        ? `a step takes ${aloneMs.toFixed(1)} ms, and workers would cost more than they save`
        : 'a step is one shard'
    report(`Computing in one process: ${compute.maxWorkers > 1 ? why : 'one was asked for'}.`)
  }
}
