import type { NameOf } from './definitions.js'
import type { PhaseReport } from './phases.js'

/** Measurements of a worker: its heartbeats carry them, metrics and page show them. Bytes, seconds, degrees and watts. */
export interface WorkerStats {
  /** Shards computed since the worker joined, those of evaluations included. */
  readonly shardsDone: number
  /** Workers that compute what a relay is leased. Absent or 0: it computes by itself. */
  readonly workers?: number
  readonly residentBytes: number
  readonly tensors: number
  readonly tensorBytes: number
  /** Longest delay since the previous heartbeat. */
  readonly eventLoopDelaySeconds: number
  /** Since the worker joined; each phase at most once. */
  readonly phases: readonly PhaseReport[]
  /** Absent: the worker computes on no GPU, or nvidia-smi reports nothing. A field is absent when the GPU does not report it. */
  readonly gpu?:
    | {
        readonly utilization?: number
        readonly memoryUsedBytes?: number
        readonly memoryBytes?: number
        readonly temperatureCelsius?: number
        readonly powerWatts?: number
      }
    | undefined
}

/** Stats of a worker before its first heartbeat. */
export const NO_STATS: WorkerStats = {
  ...{ shardsDone: 0, residentBytes: 0, tensors: 0, tensorBytes: 0, eventLoopDelaySeconds: 0 },
  phases: [],
}

/** The metrics of a worker that come from its heartbeats. Undefined: no value. */
export const WORKER_VALUES = {
  worker_shards: ({ shardsDone }) => shardsDone,
  worker_resident_bytes: ({ residentBytes }) => residentBytes,
  worker_tensors: ({ tensors }) => tensors,
  worker_tensor_bytes: ({ tensorBytes }) => tensorBytes,
  worker_event_loop_delay_seconds: ({ eventLoopDelaySeconds }) => eventLoopDelaySeconds,
  worker_gpu_utilization_ratio: ({ gpu }) => gpu?.utilization,
  worker_gpu_memory_used_bytes: ({ gpu }) => gpu?.memoryUsedBytes,
  worker_gpu_memory_bytes: ({ gpu }) => gpu?.memoryBytes,
  worker_gpu_temperature_celsius: ({ gpu }) => gpu?.temperatureCelsius,
  worker_gpu_power_watts: ({ gpu }) => gpu?.powerWatts,
} as const satisfies Partial<Record<NameOf<'gauge' | 'counter'>, (worker: WorkerStats) => number | undefined>>
