import os from 'node:os'
import { Command } from 'commander'
import { LocalWorkers, MAX_START_MS } from '../../launch/local-workers.js'
import type { DeviceChoice } from '../../tensorflow/runtime/device-choice.js'
import { chooseGpus } from '../../tensorflow/runtime/device-choice.js'
import { runWorker } from '../../worker/run-worker.js'
import { deviceOption } from '../flags/device-option.js'
import type { RunConfigFlags } from '../flags/run-config-flags.js'
import { addRunFlags, readRunFlags } from '../flags/run-flags.js'
import type { OwnWorkers, WorkerPlace } from '../run-training.js'
import { runTraining } from '../run-training.js'

const ANY_PORT = '127.0.0.1:0'

export function trainCommand(): Command {
  return addRunFlags(new Command('train'), { listen: ANY_PORT, adminListen: ANY_PORT, metricsListen: ANY_PORT })
    .addOption(deviceOption())
    .option('--workers <number>', 'worker processes (default: one per GPU, or one per core)')
    .option('--standalone', 'coordinator and one worker in a single process')
    .action(async (flags: RunConfigFlags, command: Command) => {
      const { config, options, name, recipe } = await readRunFlags(flags, command)
      const { device } = options
      const gpus = chooseGpus(device)
      const count = options.workers ?? (gpus.length > 0 ? gpus.length : os.availableParallelism())
      const start = (place: WorkerPlace) =>
        options.standalone ? startInside(place, device) : startProcesses(place, count, device, options.logLevel, gpus)
      await runTraining(config, options, { name, recipe }, start)
    })
}

/** Starts worker processes, each with a GPU of its own if there are GPUs. */
function startProcesses(
  { address, runDirectory, log, onNoneLeft }: WorkerPlace,
  count: number,
  device: DeviceChoice,
  logLevel: string,
  gpus: readonly string[],
): OwnWorkers {
  return new LocalWorkers({
    count,
    address,
    log: log.module('process'),
    logLevel,
    logDirectory: runDirectory,
    onNoneLeft,
    device,
    environment: (index) =>
      gpus.length > 0 ? { ...process.env, CUDA_VISIBLE_DEVICES: gpus[index % gpus.length] } : process.env,
  })
}

/** Starts a worker in this process. It uses gRPC over loopback like any other worker. */
function startInside({ address, log, onNoneLeft }: WorkerPlace, device: DeviceChoice): OwnWorkers {
  const leave = new AbortController()
  const startedMs = performance.now()
  let isThere = true
  const ended = runWorker({
    address,
    patienceMs: 10_000,
    device,
    sharedMemory: true,
    log,
    leaveSignal: leave.signal,
  }).catch((error: unknown) => {
    isThere = false
    if (!leave.signal.aborted) onNoneLeft(`the worker of this process ended: ${(error as Error).message}`)
  })
  return {
    close: async () => {
      leave.abort()
      await ended
    },
    starting: () => (isThere && performance.now() - startedMs < MAX_START_MS ? 1 : 0),
  }
}
