import os from 'node:os'
import { chooseGpus } from '../tensorflow/runtime/device-choice.js'
import { LocalWorkers } from './local-workers.js'
import type { Launcher } from './launcher.js'

/** Worker processes on this machine, each with a GPU of its own where there are any. */
export const processes = {
  name: 'processes',
  description: 'one per GPU or core of this machine',
  launch({ address, runDirectory, count, device, logLevel, log, onNoneLeft, coordinatorPid }) {
    const gpus = chooseGpus(device)
    return new LocalWorkers({
      ...{
        address,
        device,
        logLevel,
        onNoneLeft,
        coordinatorPid,
        log: log.module('process'),
        logDirectory: runDirectory,
      },
      count: count ?? (gpus.length > 0 ? gpus.length : os.availableParallelism()),
      environment: (index) =>
        gpus.length > 0 ? { ...process.env, CUDA_VISIBLE_DEVICES: gpus[index % gpus.length] } : process.env,
    })
  },
} as const satisfies Launcher
