import { kernelsOf } from './page/inspection.js'
import type { PageWorker, PhaseSeconds, RunEnd, RunStatus } from './page/page-state.js'
import type { PhaseReport } from '../metrics/phases.js'
import { printable } from '../shared/log/printable.js'
import type { WorkerStatusView } from '../coordinator/membership.js'
import type { Coordinator } from '../coordinator/coordinator.js'

/** The current status of a run, for the page. @param timeSeconds since 1970 @param end of a run that is over */
export function runStatus(
  coordinator: Coordinator,
  coordinatorPhases: readonly PhaseReport[],
  timeSeconds: number,
  end?: RunEnd,
): RunStatus {
  const kernels = kernelsOf(coordinator.description.model.layout, coordinator.weights())
  return {
    timeSeconds,
    state: coordinator.state(),
    workers: coordinator.workers().map(pageWorker),
    coordinatorPhases: coordinatorPhases.map(inSeconds),
    workerPhases: coordinator.workerPhases().map(inSeconds),
    traffic: coordinator.traffic().map(({ labels, value }) => ({ ...labels, bytes: value })),
    ...(kernels && { kernels }),
    ...(end && { end }),
  }
}

function pageWorker(worker: WorkerStatusView): PageWorker {
  const { id, name, device, state, shardsDone, samples, score, silentMs, residentBytes, tensors, gpu } = worker
  return {
    ...{
      id,
      name: printable(name),
      device: printable(device.name),
      state,
      shardsDone,
      samples,
      residentBytes,
      tensors,
    },
    silentSeconds: silentMs / 1000,
    ...(score && { score: score.toFastest }),
    ...(gpu && { gpu }),
  }
}

function inSeconds({ phase, seconds }: PhaseReport): PhaseSeconds {
  return { phase, seconds }
}
