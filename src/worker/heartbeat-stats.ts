import { monitorEventLoopDelay } from 'node:perf_hooks'
import { PhaseTimes } from '../metrics/phases.js'
import type { WorkerStats } from '../metrics/worker-stats.js'
import { ConvoyError } from '../shared/errors.js'
import { readGpu } from './gpu-readings.js'

const GPU_EVERY_MS = 5_000
const RESOLUTION_MS = 10
const NANOSECONDS_PER_MS = 1e6

type ComputeProgress = Pick<WorkerStats, 'shardsDone' | 'workers' | 'tensors' | 'tensorBytes' | 'phases'>

/** Measures a worker, for its heartbeats. One for each membership. */
export class HeartbeatStats {
  /** Phases of the main thread, which sends results. What computes may send some too. */
  readonly times = new PhaseTimes()
  #progress: ComputeProgress = { shardsDone: 0, tensors: 0, tensorBytes: 0, phases: [] }
  #gpu: WorkerStats['gpu']
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  readonly #gpuTimer: NodeJS.Timeout | undefined

  /** @param usesGpu reads the GPU that this process computes on @param warn called once when the GPU cannot be read; reading is tried again */
  constructor(usesGpu: boolean, warn: (text: string) => void, gpuEveryMs = GPU_EVERY_MS) {
    this.#delay.enable()
    if (!usesGpu) return
    let isReported = false
    const read = (): void => {
      const gpu = process.env['CUDA_VISIBLE_DEVICES']?.split(',')[0] ?? '0'
      readGpu(gpu).then(
        (readings) => {
          this.#gpu = readings
        },
        (error: unknown) => {
          // Old readings must not pass for new ones.
          this.#gpu = undefined
          if (!isReported) warn(`The GPU cannot be read: ${ConvoyError.from(error).message.split('\n')[0]}`)
          isReported = true
        },
      )
    }
    read()
    this.#gpuTimer = setInterval(read, gpuEveryMs)
  }

  /** Records how far the compute thread is. @param progress with the phases since it was prepared */
  progress(progress: ComputeProgress): void {
    this.#progress = progress
  }

  /** The measurements now. The delay of the event loop is measured anew from here on. */
  take(): WorkerStats {
    // The histogram includes the interval of its timer, which is no delay.
    const longestMs = this.#delay.count > 0 ? this.#delay.max / NANOSECONDS_PER_MS - RESOLUTION_MS : 0
    const eventLoopDelaySeconds = Math.max(0, longestMs) / 1000
    this.#delay.reset()
    const { shardsDone, workers, tensors, tensorBytes, phases } = this.#progress
    const times = new PhaseTimes()
    times.add(phases)
    times.add(this.times.report())
    return {
      shardsDone,
      residentBytes: process.memoryUsage.rss(),
      tensors,
      tensorBytes,
      eventLoopDelaySeconds,
      phases: times.report(),
      ...(this.#gpu && { gpu: this.#gpu }),
      ...(workers !== undefined && { workers }),
    }
  }

  close(): void {
    this.#delay.disable()
    clearInterval(this.#gpuTimer)
  }
}
