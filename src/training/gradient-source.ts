import type { SplitName } from '../data/dataset.js'

/**
 * What computes sums over the shards of a batch or of a split: workers, however many there are, or a loop in this process. All give the
 * same bits: the order of the additions is fixed (see ReductionTree).
 */
export interface GradientSource {
  readonly stats: GradientSourceStats

  /**
   * Sums that are asked for from now on are of these weights.
   * @param weights float32, `[layout.weightCount]`; not copied, and left as they are until the sum is there
   */
  publish(weights: Float32Array): void

  /**
   * The sum of the gradient vectors of a batch's shards. One sum at a time.
   * @param step from 0
   * @returns float32, `[gradientLength(layout)]`; the caller may change it until it gives it back with {@link release}
   * @throws ConvoyError('training') when a shard cannot be computed; the signal's reason when it fires
   */
  gradientSum(step: number, signal: AbortSignal): Promise<Float32Array>

  /**
   * The sum of the evaluation vectors of a split's shards. One sum at a time.
   * @param step of the weights, for messages
   * @param onProgress called with the number of samples counted so far
   * @returns float32, `[evaluationLength(classCount)]`
   * @throws as {@link gradientSum}
   */
  evaluationSum(
    split: SplitName,
    step: number,
    signal: AbortSignal,
    onProgress: (samples: number) => void,
  ): Promise<Float32Array>

  /** The caller needs this sum no more: its memory may hold the next one. */
  release(sum: Float32Array): void
}

/** Of a source, since its beginning. */
export interface GradientSourceStats {
  /** Workers that compute now. */
  readonly workers: number
  /** Most that computed at the same time. */
  readonly peakWorkers: number
  /** Leases given again because a worker died, left or failed. */
  readonly reissued: number
  /** Time spent on checking and adding results. */
  readonly reduceMs: number
  /** The mean time of a training shard in a worker's computing thread. 0: never measured. */
  readonly shardMs: number
  /** Relative spread of {@link shardMs} from shard to shard, as workers return them. Absent: never measured. */
  readonly shardJitter?: number
  /** The mean time of {@link reduceMs} per result. 0: never measured. */
  readonly resultMs: number
}
