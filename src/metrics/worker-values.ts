import type { NameOf } from './definitions.js'

/** The numbers that a worker reports about itself, in bytes, seconds, degrees Celsius and watts. */
export interface WorkerNumbers {
  readonly shardsDone: number
  readonly residentBytes: number
  readonly tensors: number
  readonly tensorBytes: number
  readonly eventLoopDelaySeconds: number
  readonly gpu?:
    | {
        readonly utilization?: number
        readonly memoryUsedBytes?: number
        readonly memoryBytes?: number
        readonly temperatureCelsius?: number
        readonly powerWatts?: number
      }
    | null
    | undefined
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
} as const satisfies Partial<Record<NameOf<'gauge' | 'counter'>, (worker: WorkerNumbers) => number | undefined>>
