import type { WorkerPool } from '../coordinator/worker-pool.js'
import type { WorkerSnapshot } from '../coordinator/worker-snapshot.js'
import type { WorkerStats } from '../metrics/worker-stats.js'
import { phasesSince } from '../metrics/phases.js'

function isComputing({ state }: WorkerSnapshot): boolean {
  return state === 'ready' || state === 'busy'
}

/** What the workers of a relay have done since a moment, added up: the heartbeats of the relay carry it. */
export class RelayProgress {
  readonly #pool: WorkerPool
  readonly #phasesBefore
  /** Shards of each worker that are counted, by its id. */
  readonly #counted = new Map<number, number>()
  #shardsDone = 0

  /** @param pool what it has done so far is left out */
  constructor(pool: WorkerPool) {
    this.#pool = pool
    this.#phasesBefore = pool.workerPhases()
    for (const { id, shardsDone } of pool.workers()) this.#counted.set(id, shardsDone)
  }

  /** As it is now. The shards only grow, whoever leaves. */
  now(): Pick<WorkerStats, 'shardsDone' | 'workers' | 'tensors' | 'tensorBytes' | 'phases'> {
    const workers = this.#pool.workers()
    for (const { id, shardsDone } of workers) {
      this.#shardsDone += Math.max(0, shardsDone - (this.#counted.get(id) ?? 0))
      this.#counted.set(id, shardsDone)
    }
    return {
      shardsDone: this.#shardsDone,
      workers: workers.filter(isComputing).reduce((sum, { workers: ofRelay }) => sum + (ofRelay || 1), 0),
      tensors: workers.reduce((sum, { tensors }) => sum + tensors, 0),
      tensorBytes: workers.reduce((sum, { tensorBytes }) => sum + tensorBytes, 0),
      phases: phasesSince(this.#phasesBefore, this.#pool.workerPhases()),
    }
  }
}
