import type { SplitName } from '../data/dataset.js'
import type { PhaseReport } from '../metrics/phases.js'
import type { RunDescription } from '../model/run-description.js'
import type { DeviceDescription } from '../tensorflow/engine/engine.js'

/** Computes shards in the process of the coordinator, on its main thread. */
export interface OwnShards {
  readonly device: DeviceDescription
  /** @param weights float32, `[layout.weightCount]`; copied */
  setWeights(weights: Float32Array): void
  /** @returns float32, `[gradientLength(layout)]` */
  gradient(step: number, shard: number): Float32Array<ArrayBuffer>
  /** @returns float32, `[evaluationLength(model)]` */
  evaluate(split: SplitName, shard: number): Float32Array<ArrayBuffer>
  phases(): PhaseReport[]
  close(): void
}

/** What computes in the process of the coordinator, until worker processes are faster. */
export interface OwnCompute {
  /** How many worker processes there may be; below 2, none are started. */
  readonly maxWorkers: number
  /** Loads TensorFlow, and builds the engine of a run. */
  open(description: RunDescription): Promise<OwnShards>
  /** Starts so many worker processes, which join the run. */
  startWorkers(count: number): void
}
