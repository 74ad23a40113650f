import type { StatusReply, WorkerStatus } from '../shared/protocol/messages.js'
import type { RunSummary } from '../reporting/run-progress.js'
import type { WorkerSnapshot } from './worker-snapshot.js'

/** The answer to `convoy status`. */
export function statusReply(
  summary: RunSummary,
  runDirectory: string,
  workers: readonly WorkerSnapshot[],
): StatusReply {
  return { ...summary, runDirectory, workers: workers.map(workerStatus) }
}

function workerStatus(worker: WorkerSnapshot): WorkerStatus {
  const { id, name, state, device, shardsDone, residentBytes, tensors, heartbeatAgeSeconds, stragglerRatio } = worker
  return {
    ...{ worker: id, name, state, device: device.name, shardsDone, residentBytes, tensors },
    // Names on the wire and in `convoy status --json`.
    ...{ lastHeardSeconds: heartbeatAgeSeconds, timesSlower: stragglerRatio ?? 0 },
  }
}
