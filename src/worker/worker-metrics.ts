import { Metrics } from '../metrics/metrics.js'
import { WORKER_VALUES } from '../metrics/worker-stats.js'
import type { WorkerStats } from '../metrics/worker-stats.js'

/** The `/metrics` of a worker process: the stats of its last heartbeat, and of its process. */
export class WorkerMetrics {
  readonly #metrics: Metrics
  readonly #name: string
  #last: WorkerStats | undefined

  /** @param name the worker's; @param now monotonic milliseconds */
  constructor(name: string, now: () => number) {
    this.#name = name
    this.#metrics = new Metrics(now, { component: 'worker', worker: name })
    for (const metric of Object.keys(WORKER_VALUES) as (keyof typeof WORKER_VALUES)[]) {
      this.#metrics.collect(metric, () => {
        const value = this.#last && WORKER_VALUES[metric](this.#last)
        return value === undefined ? [] : [{ labels: { worker: name }, value }]
      })
    }
    this.#metrics.collectPhases({
      coordinator: () => [],
      worker: () => this.#last?.phases ?? [],
    })
  }

  /** The worker joined a run. @param run see runNameOf; empty: the coordinator did not send it */
  readonly joined = (run: string): void => {
    // The last stats are of another run.
    this.#last = undefined
    this.#metrics.label({ component: 'worker', worker: this.#name, ...(run !== '' && { run }) })
  }

  readonly observe = (stats: WorkerStats): void => {
    this.#last = stats
  }

  readonly render = (): ReturnType<Metrics['render']> => this.#metrics.render()
}
