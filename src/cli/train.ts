import os from 'node:os'
import { Command } from 'commander'
import { LocalWorkers } from '../coordinator/local-workers.js'
import { listGpus } from '../engine/runtime/list-gpus.js'
import { DEFAULT_RECIPE } from '../model/recipes.js'
import { runWorker } from '../worker/run-worker.js'
import type { RunConfigFlags } from './run-config-flags.js'
import { addRunFlags, readRunFlags } from './run-flags.js'
import type { OwnWorkers, WorkerPlace } from './run-training.js'
import { runTraining } from './run-training.js'

const ANY_PORT = '127.0.0.1:0'

export function trainCommand(): Command {
  return addRunFlags(new Command('train'), { listen: ANY_PORT, adminListen: ANY_PORT, metricsListen: ANY_PORT })
    .option('--workers <number>', 'worker processes (default: one per GPU, or one per core)')
    .option('--standalone', 'coordinator and one worker in a single process')
    .action(async (flags: RunConfigFlags) => {
      const { config, options } = readRunFlags(flags)
      const gpus = listGpus().length
      const count = options.workers ?? (gpus > 0 ? gpus : os.availableParallelism())
      const start = options.standalone ? startInside : (place: WorkerPlace) => startProcesses(place, count, gpus)
      await runTraining(config, options, flags.recipe ?? DEFAULT_RECIPE, start)
    })
}

/** Worker processes, each with a GPU of its own where there are any. */
function startProcesses({ address, runDirectory, notice }: WorkerPlace, count: number, gpus: number): OwnWorkers {
  return new LocalWorkers({
    count,
    address,
    notice,
    logDirectory: runDirectory,
    environment: (index) => (gpus > 0 ? { ...process.env, CUDA_VISIBLE_DEVICES: String(index % gpus) } : process.env),
  })
}

/** A worker in this process; it talks gRPC over loopback like any other. */
function startInside({ address, notice }: WorkerPlace): OwnWorkers {
  const leave = new AbortController()
  const ended = runWorker({ address, patienceMs: 10_000, sharedMemory: true, notice, leaveSignal: leave.signal }).catch(
    (error: unknown) => {
      if (!leave.signal.aborted) notice(`The worker of this process ended: ${(error as Error).message}`)
    },
  )
  return {
    close: async () => {
      leave.abort()
      await ended
    },
  }
}
