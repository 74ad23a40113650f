import path from 'node:path'
import type { CheckpointOutcome } from '../durability/durable-run-options.js'
import { ConvoyError } from '../shared/errors.js'
import type { Logger } from '../shared/log/log.js'
import type { CheckpointReply, DrainReply, PauseReply, StatusReply } from '../shared/protocol/messages.js'
import { findWorker } from './find-worker.js'
import type { AdminActions } from './services/admin-service.js'
import type { Steering } from './steering.js'
import type { WorkerPool } from './worker-pool.js'

export interface AdminActionsOptions {
  readonly pool: WorkerPool
  readonly steering: Steering
  readonly status: () => StatusReply
  /** Ends the run after the step it is in. */
  readonly stop: () => void
  readonly log: Logger
}

/** What operators ask a coordinator for. Every request that changes something is logged. */
export function adminActions({ pool, steering, status, stop, log }: AdminActionsOptions): AdminActions {
  return {
    status,
    stop: () => {
      log.info(
        pool.workerCount > 0
          ? 'Asked to stop: the run ends after this step, with evaluation.'
          : 'Asked to stop: the run ends when workers have computed this step and the evaluation. SIGTERM ends it now.',
      )
      stop()
    },
    pause: async () => {
      log.info('Asked to pause.')
      return pauseReply(await steering.pause())
    },
    continue: () => {
      log.info('Asked to continue.')
      return { wasPaused: steering.continue() }
    },
    checkpoint: async () => {
      log.info('Asked for a checkpoint.')
      return checkpointReply(await steering.checkpoint())
    },
    drain: async (named) => drain(pool, named, log),
  }
}

function pauseReply({ step, wasPaused, checkpoint }: Awaited<ReturnType<Steering['pause']>>): PauseReply {
  const isOnDisk = checkpoint !== undefined && checkpoint.failure === undefined
  return {
    ...{ step, wasPaused, checkpoint: isOnDisk ? path.resolve(checkpoint.directory) : '' },
    checkpointFailure: checkpoint?.failure ?? '',
  }
}

function checkpointReply({ step, directory, failure }: CheckpointOutcome): CheckpointReply {
  if (failure === undefined) return { step, directory: path.resolve(directory) }
  throw new ConvoyError(
    'environment',
    `The checkpoint of step ${step} cannot be written (${failure}). The run goes on; the last good one stays.`,
  )
}

async function drain(pool: WorkerPool, named: string, log: Logger): Promise<DrainReply> {
  // A worker that has only joined has no place yet, and may have the name of another one.
  const placed = pool.workers().filter(({ state }) => state !== 'joining')
  const { id, name } = findWorker(named, placed)
  log.info(`Asked to let worker ${id} (${name}) go: it leaves after its lease.`)
  await pool.connections.letGo(id)
  return { worker: id, name, workers: pool.workerCount }
}
