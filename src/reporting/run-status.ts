import { kernelsOf } from './page/inspection.js'
import type { PageWorker, PhaseSeconds, RunEnd, RunStatus } from './page/page-state.js'
import type { PhaseReport } from '../metrics/phases.js'
import { printable } from '../shared/log/printable.js'
import type { WorkerSnapshot } from '../coordinator/worker-snapshot.js'
import type { Coordinator } from '../coordinator/coordinator.js'

/** A coordinator, as far as the page reads it. */
export type RunStatusSource = Pick<
  Coordinator,
  'description' | 'progress' | 'weights' | 'workers' | 'workerPhases' | 'traffic'
>

/** The current status of a run, for the page. @param timeSeconds since 1970 @param end of a run that is over */
export function runStatus(
  coordinator: RunStatusSource,
  coordinatorPhases: readonly PhaseReport[],
  timeSeconds: number,
  end?: RunEnd,
): RunStatus {
  const kernels = kernelsOf(coordinator.description.model.layout, coordinator.weights())
  const { state, samplesPerSecond, secondsLeft, checkpoint, journal } = coordinator.progress()
  return {
    ...{ timeSeconds, state, samplesPerSecond, secondsLeft, journal },
    ...(checkpoint && { checkpoint }),
    workers: coordinator.workers().map(pageWorker),
    coordinatorPhases: coordinatorPhases.map(inSeconds),
    workerPhases: coordinator.workerPhases().map(inSeconds),
    traffic: coordinator.traffic().map(({ labels, value }) => ({ ...labels, bytes: value })),
    ...(kernels && { kernels }),
    ...(end && { end }),
  }
}

function pageWorker(worker: WorkerSnapshot): PageWorker {
  const { id, state, shardsDone, samples, heartbeatAgeSeconds, stragglerRatio, residentBytes, tensors, gpu } = worker
  return {
    ...{ id, name: printable(worker.name), device: printable(worker.device.name), state, shardsDone, samples },
    ...{ heartbeatAgeSeconds, residentBytes, tensors },
    ...(stragglerRatio !== undefined && { stragglerRatio }),
    ...(gpu && { gpu }),
  }
}

function inSeconds({ phase, seconds }: PhaseReport): PhaseSeconds {
  return { phase, seconds }
}
