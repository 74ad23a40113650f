import { randomUUID } from 'node:crypto'
import os from 'node:os'
import type { DeviceChoice } from '../tensorflow/runtime/device-choice.js'
import { serveMetrics } from '../metrics/serve-metrics.js'
import type { Log } from '../shared/log/log.js'
import { ComputeThread } from './compute-thread.js'
import { keepJoining } from './keep-joining.js'
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
  /** The program of the compute thread, which calls serveLeases. @default TensorFlow computes */
  readonly computeEntry?: URL
}

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
  const { thread, device } = await ComputeThread.start(choice, options.computeEntry).catch((error: unknown) => {
    // An open server would keep the process alive.
    metricsServer?.close()
    throw error
  })
  log.module('compute').info(`Computing on ${device.name} (${device.kind}, TensorFlow ${device.tensorflowVersion}).`)
  try {
    return await keepJoining({
      join: async () => {
        try {
          return await session({
            ...{ address, name, incarnation, device, computer: thread, sharedMemory, log, relay, leaveSignal },
            onJoined: ({ runName }) => {
              metrics.joined(runName)
            },
            onHeartbeat: metrics.observe,
            onReady: () => {
              isReady = true
            },
          })
        } finally {
          isReady = false
        }
      },
      isBroken: () => thread.isBroken,
      ...{ patienceMs, leaveSignal, warn },
    })
  } finally {
    await thread.close()
    metricsServer?.close()
  }
}
