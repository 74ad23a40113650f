import { monitorEventLoopDelay } from 'node:perf_hooks'
import { PhaseTimes } from '../metrics/phases.js'
import type { PhaseReport } from '../metrics/phases.js'
import type { DeviceDescription } from '../tensorflow/engine/engine.js'
import { ConvoyError } from '../shared/errors.js'
import type { GpuMessage, Heartbeat } from '../shared/protocol/messages.js'
import { readGpu } from './gpu-readings.js'

const GPU_EVERY_MS = 5_000
const RESOLUTION_MS = 10
const NANOSECONDS_PER_MS = 1e6

/** How a worker does, for its heartbeats. One for each membership. */
export class HeartbeatStats {
  /** Of the thread that talks. */
  readonly times = new PhaseTimes()
  #shardsDone = 0
  #tensors = 0
  #tensorBytes = 0
  #computePhases: readonly PhaseReport[] = []
  #gpu: GpuMessage | undefined
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  readonly #gpuTimer: NodeJS.Timeout | undefined

  /** @param warn hears once that the GPU cannot be read; it is tried again */
  constructor(device: DeviceDescription, warn: (text: string) => void, gpuEveryMs = GPU_EVERY_MS) {
    this.#delay.enable()
    if (device.kind !== 'gpu') return
    let isSaid = false
    const read = (): void => {
      const gpu = process.env['CUDA_VISIBLE_DEVICES']?.split(',')[0] ?? '0'
      readGpu(gpu).then(
        (readings) => {
          this.#gpu = readings
        },
        (error: unknown) => {
          // What it was some time ago is not what it is now.
          this.#gpu = undefined
          if (!isSaid) warn(`The GPU cannot be read: ${ConvoyError.from(error).message.split('\n')[0]}`)
          isSaid = true
        },
      )
    }
    read()
    this.#gpuTimer = setInterval(read, gpuEveryMs)
  }

  progress(shardsDone: number, tensors: number, tensorBytes: number): void {
    this.#shardsDone = shardsDone
    this.#tensors = tensors
    this.#tensorBytes = tensorBytes
  }

  /** Of the thread that computes: everything since it was prepared. */
  phases(phases: readonly PhaseReport[]): void {
    this.#computePhases = phases
  }

  heartbeat(): Heartbeat {
    // It times a timer, whose own interval is no delay.
    const longestMs = this.#delay.count > 0 ? this.#delay.max / NANOSECONDS_PER_MS - RESOLUTION_MS : 0
    const eventLoopDelaySeconds = Math.max(0, longestMs) / 1000
    this.#delay.reset()
    return {
      shardsDone: this.#shardsDone,
      residentBytes: process.memoryUsage.rss(),
      tensors: this.#tensors,
      tensorBytes: this.#tensorBytes,
      eventLoopDelaySeconds,
      phases: [...this.#computePhases, ...this.times.report()].map((report) => ({
        ...report,
        counts: [...report.counts],
      })),
      ...(this.#gpu && { gpu: this.#gpu }),
    }
  }

  close(): void {
    this.#delay.disable()
    clearInterval(this.#gpuTimer)
  }
}
