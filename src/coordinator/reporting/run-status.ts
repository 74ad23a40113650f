import type { PageWorker, PhaseSeconds, RunStatus } from '../../dashboard/page-state.js'
import type { PhaseReport } from '../../metrics/phases.js'
import type { WorkerStatusView } from '../membership.js'
import type { Coordinator } from '../start-coordinator.js'

/** How a run stands now, for the page. @param timeSeconds since 1970 */
export function runStatus(
  { state, workers, workerPhases, traffic }: Pick<Coordinator, 'state' | 'workers' | 'workerPhases' | 'traffic'>,
  coordinatorPhases: readonly PhaseReport[],
  timeSeconds: number,
): RunStatus {
  return {
    timeSeconds,
    state: state(),
    workers: workers().map(pageWorker),
    coordinatorPhases: coordinatorPhases.map(inSeconds),
    workerPhases: workerPhases().map(inSeconds),
    traffic: traffic().map(({ labels, value }) => ({ ...labels, bytes: value })),
  }
}

function pageWorker(worker: WorkerStatusView): PageWorker {
  const { id, name, device, state, shardsDone, score, silentMs, residentBytes, tensors, gpu } = worker
  return {
    ...{ id, name, device: device.name, state, shardsDone, residentBytes, tensors },
    silentSeconds: silentMs / 1000,
    ...(score && { score: score.toFastest }),
    ...(gpu && {
      gpu: { utilization: gpu.utilization, memoryUsedBytes: gpu.memoryUsedBytes, memoryBytes: gpu.memoryBytes },
    }),
  }
}

function inSeconds({ phase, seconds }: PhaseReport): PhaseSeconds {
  return { phase, seconds }
}
