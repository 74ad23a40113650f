import type { WorkerStats } from '../metrics/worker-stats.js'
import { NO_STATS } from '../metrics/worker-stats.js'
import type { WorkerView } from '../scheduler/worker-table.js'
import { Deferred } from '../shared/deferred.js'
import type { ToLocalWorker } from '../shared/protocol/local-messages.js'
import type { FromCoordinator } from '../shared/protocol/messages.js'
import type { WorkerIdentity } from '../training/run-events.js'
import type { Applicant } from './admission.js'
import { SessionSecret } from './admission.js'
import type { WorkerCounts, WorkerSnapshot } from './worker-snapshot.js'

/** The control stream to one worker, as the pool needs it. */
export interface ControlStream {
  send(message: FromCoordinator): void
  /** Closes the stream at once, without waiting for the worker. */
  drop(reason: string): void
}

/** The local connection to one worker, as the pool needs it. */
export interface LocalStream {
  send(message: ToLocalWorker): void
  close(): void
}

/** A worker from join to departure, beside what the scheduler knows of it. */
export class Member {
  readonly applicant: Applicant
  readonly identity: WorkerIdentity
  readonly secret = new SessionSecret()
  stream: ControlStream | undefined
  /** Of a worker on this machine: where its leases go. */
  local: LocalStream | undefined
  /** `address:port` of the connections that it called over, the oldest first. */
  readonly peers = new Set<string>()
  /** It was ready once: the `worker-joined` event was emitted. */
  wasReady = false
  /** Resolves when it is gone. */
  readonly gone = new Deferred<void>()
  stats: WorkerStats = NO_STATS
  readonly counts: WorkerCounts = {
    ...{ samples: 0, resultsRefused: 0, shardsReissued: { failed: 0, bad_result: 0 } },
    trafficBytes: { results: 0, weights: 0, samples: 0 },
  }

  constructor(id: number, applicant: Applicant) {
    this.applicant = applicant
    const { name, device } = applicant
    this.identity = { id, name, device }
  }

  /** This member as it is now. @param view the same worker, from the scheduler */
  snapshot({ state, silentMs, stragglerRatio, lease }: WorkerView): WorkerSnapshot {
    return {
      ...{ ...this.identity, ...this.stats, ...this.counts, state, stragglerRatio },
      heartbeatAgeSeconds: silentMs / 1000,
      leases: lease ? 1 : 0,
    }
  }
}
