import { subscribe } from 'node:diagnostics_channel'
import { getEnvironmentData, parentPort } from 'node:worker_threads'
import type { DeviceDescription } from '../../tensorflow/engine/engine.js'
import type { FromCompute } from '../../worker/compute-messages.js'
import type { LeaseMark } from '../../worker/lease-marks.js'
import { LEASE_MARKS } from '../../worker/lease-marks.js'
import { serveLeases } from '../../worker/serve-leases.js'
import type { ComputeSettings } from './compute-settings.js'
import { COMPUTE_SETTINGS } from './compute-settings.js'
import { syntheticComputer } from './synthetic-computer.js'
import { WorkerSteps } from './worker-steps.js'

/** The compute thread of a worker that computes nothing. */
const port = parentPort!
const settings = getEnvironmentData(COMPUTE_SETTINGS) as unknown as ComputeSettings
const steps = new WorkerSteps(settings.steps)

subscribe(LEASE_MARKS, (message) => {
  const { point, step } = message as LeaseMark
  if (point === 'came') steps.leased(step)
  else steps.delivered(step)
})

serveLeases(port, async (description) => {
  steps.prepared()
  return Promise.resolve(syntheticComputer(description, settings.waitMs, steps))
})
const device: DeviceDescription = {
  ...{ kind: 'cpu', name: 'no computation', tensorflowVersion: 'none', fingerprint: 'none' },
}
port.postMessage({ kind: 'device', device } satisfies FromCompute)
