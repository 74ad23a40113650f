import { randomUUID } from 'node:crypto'
import os from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import type { DeviceChoice } from '../tensorflow/runtime/device-choice.js'
import { serveMetrics } from '../metrics/serve-metrics.js'
import { ConvoyError } from '../shared/errors.js'
import type { Log } from '../shared/log/log.js'
import { ComputeThread } from './compute-thread.js'
import type { LogRelay } from './log-relay.js'
import { session } from './session.js'
import { WorkerMetrics } from './worker-metrics.js'

export interface WorkerOptions {
  /** `host:port` of the coordinator. */
  readonly address: string
  /** @default host name and process id: several workers of one host have different names */
  readonly name?: string
  readonly device: DeviceChoice
  /** Exchange vectors through memory with a coordinator on this machine. */
  readonly sharedMemory: boolean
  /** How long to keep trying to reach a coordinator that does not answer, or not any more. */
  readonly patienceMs: number
  readonly log: Log
  /** Log lines for the coordinator. @default none are sent */
  readonly relay?: LogRelay
  /** First: leave when the lease in work is done. */
  readonly leaveSignal: AbortSignal
  /** `host:port` of its own `/metrics`, `/livez` and `/readyz`; absent: only the coordinator serves the metrics of this worker. */
  readonly metricsListen?: string
}

const FIRST_RETRY_MS = 100
const MAX_RETRY_MS = 2_000
/** A coordinator that was restarted is back after two to five seconds: until then, retries are closer together. */
const SOON_MS = 10_000
const MAX_RETRY_SOON_MS = 400

/**
 * Works for a coordinator until the coordinator sends `finish`; joins again whenever the connection breaks.
 * @returns why it ended
 * @throws ConvoyError('unavailable') when no coordinator answered for `patienceMs`
 */
export async function runWorker(options: WorkerOptions): Promise<string> {
  const { address, patienceMs, sharedMemory, device: choice, log, relay, leaveSignal } = options
  const { info, warn } = log.module('worker')
  const name = options.name ?? `${os.hostname()}:${process.pid}`
  const incarnation = randomUUID()
  const metrics = new WorkerMetrics(name, () => performance.now())
  let isReady = false
  const notReady = (): string | undefined => (isReady ? undefined : `it has not joined the coordinator at ${address}`)
  const metricsServer =
    options.metricsListen === undefined
      ? undefined
      : await serveMetrics(metrics.render, options.metricsListen, '--metrics-listen', notReady)
  if (metricsServer) info(`Metrics at ${metricsServer.url}`)
  const { thread, device } = await ComputeThread.start(choice).catch((error: unknown) => {
    // An open server would keep the process alive.
    metricsServer?.close()
    throw error
  })
  log.module('compute').info(`Computing on ${device.name} (${device.kind}, TensorFlow ${device.tensorflowVersion}).`)
  try {
    let retryMs = FIRST_RETRY_MS
    let silentSinceMs = performance.now()
    while (!leaveSignal.aborted) {
      const startedMs = performance.now()
      try {
        const { observe: onHeartbeat } = metrics
        return await session({
          ...{ address, name, incarnation, device, thread, sharedMemory, log, relay, leaveSignal, onHeartbeat },
          onJoined: metrics.joined,
          onReady: () => {
            isReady = true
          },
        })
      } catch (thrown) {
        isReady = false
        const error = ConvoyError.from(thrown)
        if ((error.code !== 'unavailable' && error.code !== 'protocol') || thread.isBroken) throw error
        if (leaveSignal.aborted) return 'left'
        const now = performance.now()
        // A session that lasted resets the patience; a join that fails does not.
        if (now - startedMs > MAX_RETRY_MS * 3) {
          silentSinceMs = now
          retryMs = FIRST_RETRY_MS
        }
        if (now - silentSinceMs > patienceMs) throw error
        if (retryMs === FIRST_RETRY_MS) warn(`${error.message} Trying again for ${Math.round(patienceMs / 1000)} s.`)
      }
      await delay(retryMs, undefined, { signal: leaveSignal }).catch(() => undefined)
      const isSoon = performance.now() - silentSinceMs < SOON_MS
      retryMs = Math.min(isSoon ? MAX_RETRY_SOON_MS : MAX_RETRY_MS, retryMs * 2)
    }
    return 'left'
  } finally {
    await thread.close()
    metricsServer?.close()
  }
}
