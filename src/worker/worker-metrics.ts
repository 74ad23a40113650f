import { Metrics } from '../metrics/metrics.js'
import { WORKER_VALUES } from '../metrics/worker-values.js'
import type { PhaseReport } from '../metrics/phases.js'
import type { Heartbeat } from '../shared/protocol/messages.js'

/** A worker's own `/metrics`: what its last heartbeat said, and its process. */
export class WorkerMetrics {
  readonly #metrics: Metrics
  readonly #name: string
  #last: Heartbeat | undefined

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
      worker: () => (this.#last?.phases ?? []) as readonly PhaseReport[],
    })
  }

  /** It takes part in this run from now on. @param run see runNameOf; empty: the coordinator does not tell */
  readonly joined = (run: string): void => {
    // What the last heartbeat said is of another run.
    this.#last = undefined
    this.#metrics.label({ component: 'worker', worker: this.#name, ...(run !== '' && { run }) })
  }

  readonly observe = (heartbeat: Heartbeat): void => {
    this.#last = heartbeat
  }

  readonly render = (): ReturnType<Metrics['render']> => this.#metrics.render()
}
