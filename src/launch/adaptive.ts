import { existsSync } from 'node:fs'
import os from 'node:os'
import { PhaseTimes } from '../metrics/phases.js'
import type { RunDescription } from '../model/run-description.js'
import type { OwnShards } from '../training/own-compute.js'
import type { DeviceChoice } from '../tensorflow/runtime/device-choice.js'
import { chooseGpus } from '../tensorflow/runtime/device-choice.js'
import { preloadTensorflow } from '../tensorflow/runtime/preload-tensorflow.js'
import type { Launcher, OwnWorkers } from './launcher.js'
import { processes } from './processes.js'

/** Computes in the coordinator's process, without messages, until worker processes are worth their cost: see AdaptiveGradientSource. */
export const adaptive = {
  name: 'adaptive',
  description: "in the coordinator's process, and one per core once that is faster; one per GPU",
  inCoordinator: true,
  prepare(device) {
    if (device === 'cpu' || !hasGpuDriver()) preloadTensorflow(device)
  },
  launch(options) {
    // A GPU of each worker's own: what this process allocates on one would stay there.
    if (chooseGpus(options.device).length > 0) return processes.launch(options)
    let workers: OwnWorkers | undefined
    return {
      starting: () => workers?.starting() ?? 0,
      close: async () => workers?.close(),
      compute: {
        maxWorkers: options.count ?? os.availableParallelism(),
        open: async (description) => openShards(description, options.device),
        startWorkers: (count) => {
          workers = processes.launch({ ...options, count })
        },
      },
    }
  },
} as const satisfies Launcher

/** Files of the drivers of Linux and of WSL. nvidia-smi, which {@link chooseGpus} asks, takes longer. */
function hasGpuDriver(): boolean {
  return existsSync('/dev/nvidiactl') || existsSync('/dev/dxg')
}

async function openShards(description: RunDescription, device: DeviceChoice): Promise<OwnShards> {
  const [{ loadTensorflow }, { openShardComputer }] = await Promise.all([
    import('../tensorflow/runtime/load-tensorflow.js'),
    import('../worker/open-shard-computer.js'),
  ])
  loadTensorflow(device)
  const times = new PhaseTimes()
  const { engine, computer } = await openShardComputer(description, times)
  return {
    device: engine.device,
    setWeights: (weights) => {
      engine.setWeights(weights)
    },
    gradient: (step, shard) => computer.gradient(step, shard),
    evaluate: (split, shard) => computer.evaluate(split, shard),
    phases: () => times.report(),
    close: () => {
      engine.close()
    },
  }
}
