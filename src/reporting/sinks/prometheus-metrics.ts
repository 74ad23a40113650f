import { isBadValue } from '../../shared/rejection.js'
import type { NameOf } from '../../metrics/definitions.js'
import { METRICS, RUN_STATES, WORKER_STATES } from '../../metrics/definitions.js'
import { Metrics } from '../../metrics/metrics.js'
import type { PhaseReport } from '../../metrics/phases.js'
import { PhaseTimes } from '../../metrics/phases.js'
import { WORKER_VALUES } from '../../metrics/worker-stats.js'
import type { RunEvent, RunObserver } from '../../training/run-events.js'
import { LEFT_ON_REQUEST } from '../../training/run-events.js'
import type { Coordinator } from '../../coordinator/coordinator.js'
import type { WorkerSnapshot } from '../../coordinator/worker-snapshot.js'
import type { RunIdentity } from '../run-identity.js'
import type { RunSummary } from '../run-progress.js'
import { networkName } from '../../model/config/run-config.js'

/** Workers with series of their own; of more than that the first are shown. */
const MAX_WORKERS = 256

/** Counters that events raise. */
const EVENT_COUNTERS = [
  ...(['samples', 'nonfinite_gradients', 'worker_joins', 'worker_departures', 'shards_reissued'] as const),
  ...(['shards_rescued', 'results_refused', 'quarantines', 'audits'] as const),
  ...(['checkpoint_failures', 'journal_failures', 'model_save_failures', 'report_records_lost'] as const),
] as const

/** What the metrics read from a coordinator at each scrape. */
export type MetricsSource = Pick<Coordinator, 'progress' | 'workerCount' | 'workers' | 'workerPhases' | 'traffic'>

/** Metrics of each worker that are one number of its status. */
const OF_WORKERS = {
  ...WORKER_VALUES,
  worker_straggler_ratio: ({ stragglerRatio }) => stragglerRatio,
  worker_heartbeat_age_seconds: ({ heartbeatAgeSeconds }) => heartbeatAgeSeconds,
  worker_leases: ({ leases }) => leases,
  worker_results_refused: ({ resultsRefused }) => resultsRefused,
  worker_samples: ({ samples }) => samples,
} as const satisfies Partial<Record<NameOf<'gauge' | 'counter'>, (worker: WorkerSnapshot) => number | undefined>>

/** The run's Prometheus metrics: events raise counters, states are read at each scrape. */
export class PrometheusMetrics {
  readonly #metrics: Metrics
  readonly #identity: RunIdentity
  readonly #times = new PhaseTimes()
  #batchSize = 0

  /** @param now monotonic milliseconds */
  constructor(now: () => number, identity: RunIdentity) {
    this.#identity = identity
    this.#metrics = new Metrics(now, { component: 'coordinator', run: identity.run })
    for (const name of EVENT_COUNTERS) this.#metrics.startAtZero(name)
  }

  readonly render = (): ReturnType<Metrics['render']> => this.#metrics.render()

  /** From now on each scrape reads this coordinator too. */
  watch(source: MetricsSource): void {
    const metrics = this.#metrics
    const shown = (): readonly WorkerSnapshot[] => source.workers().slice(0, MAX_WORKERS)
    metrics.collect('run_state', () =>
      RUN_STATES.map((name) => ({ labels: { state: name }, value: name === source.progress().state ? 1 : 0 })),
    )
    const whenMeasured = (value: (summary: RunSummary) => number) => () => {
      const summary = source.progress()
      return summary.samplesPerSecond > 0 ? [{ labels: {}, value: value(summary) }] : []
    }
    metrics.collect(
      'samples_per_second',
      whenMeasured(({ samplesPerSecond }) => samplesPerSecond),
    )
    metrics.collect(
      'seconds_left',
      whenMeasured(({ secondsLeft }) => secondsLeft),
    )
    metrics.collect('workers', () => [{ labels: {}, value: source.workerCount }])
    metrics.collect('worker_state', () =>
      shown().flatMap((worker) =>
        WORKER_STATES.map((name) => ({
          labels: { worker: worker.name, state: name },
          value: name === worker.state ? 1 : 0,
        })),
      ),
    )
    for (const name of Object.keys(OF_WORKERS) as (keyof typeof OF_WORKERS)[]) {
      metrics.collect(name, () =>
        shown().flatMap((worker) => {
          const value = OF_WORKERS[name](worker)
          return value === undefined ? [] : [{ labels: { worker: worker.name }, value }]
        }),
      )
    }
    metrics.collect('worker_shards_reissued', () =>
      shown().flatMap(({ name: worker, shardsReissued }) =>
        (['failed', 'bad_result'] as const).map((reason) => ({
          labels: { worker, reason },
          value: shardsReissued[reason],
        })),
      ),
    )
    metrics.collect('worker_traffic_bytes', () =>
      shown().flatMap(({ name: worker, trafficBytes }) => [
        { labels: { worker, kind: 'results' as const, direction: 'received' as const }, value: trafficBytes.results },
        { labels: { worker, kind: 'weights' as const, direction: 'sent' as const }, value: trafficBytes.weights },
        { labels: { worker, kind: 'samples' as const, direction: 'sent' as const }, value: trafficBytes.samples },
      ]),
    )
    metrics.collectPhases({ coordinator: () => this.#times.report(), worker: () => source.workerPhases() })
    metrics.collect('traffic_bytes', () => source.traffic())
  }

  /** The coordinator's own, added up since the beginning. */
  phases(): PhaseReport[] {
    return this.#times.report()
  }

  /** A call of a worker or of `convoy status` is over. */
  readonly call = (method: string, code: string, seconds: number): void => {
    const known = METRICS.rpc_duration_seconds.labels.method.find((name) => name === method) ?? 'other'
    this.#metrics.observe('rpc_duration_seconds', { method: known, code }, seconds)
  }

  /** A model was saved. @param savedAtSeconds since 1970 */
  saved(savedAtSeconds: number, bytes: number, seconds: number): void {
    this.#metrics.set('saved_model_timestamp_seconds', {}, savedAtSeconds)
    this.#metrics.set('saved_model_bytes', {}, bytes)
    this.#times.record('checkpoint', seconds)
  }

  /** Records that are in no report. */
  lost(report: string, records: number): void {
    this.#metrics.increase('report_records_lost', { report }, records)
  }

  /** @param count how many coordinators of this run died, and were restarted */
  restarted(count: number): void {
    this.#metrics.set('coordinator_restarts', {}, count)
  }

  /** The interval of checkpoints, if it is a time. */
  checkpointsEvery(seconds: number): void {
    this.#metrics.set('checkpoint_interval_seconds', {}, seconds)
  }

  /** A checkpoint is on disk, the newest one. @param writtenSeconds since 1970 */
  checkpointed(step: number, writtenSeconds: number): void {
    this.#metrics.set('checkpoint_step', {}, step)
    this.#metrics.set('checkpoint_timestamp_seconds', {}, writtenSeconds)
  }

  /** This process wrote a checkpoint. */
  checkpointWritten(bytes: number, seconds: number): void {
    this.#metrics.set('checkpoint_bytes', {}, bytes)
    this.#metrics.set('checkpoint_duration_seconds', {}, seconds)
  }

  checkpointFailed(): void {
    this.#metrics.increase('checkpoint_failures', {})
  }

  /** @param bytes of the journal since the last checkpoint */
  journaled(bytes: number): void {
    this.#metrics.set('journal_bytes', {}, bytes)
  }

  journalFailed(): void {
    this.#metrics.increase('journal_failures', {})
  }

  saveFailed(): void {
    this.#metrics.increase('model_save_failures', {})
  }

  readonly observe: RunObserver = (event) => {
    const metrics = this.#metrics
    switch (event.kind) {
      case 'started': {
        const { seed, precision, batchSize } = event.config
        const { name, recipe, version } = this.#identity
        const network = networkName(event.config)
        const labels = { name, version, recipe, network, dataset: event.dataset.name, precision }
        metrics.set('run_info', { ...labels, seed: `${seed}` }, 1)
        metrics.set('planned_steps', {}, event.totalSteps)
        // An alert must be raised for a run that never gets beyond its first step too.
        metrics.set('step', {}, 0)
        metrics.set('epoch', {}, 0)
        this.#batchSize = batchSize
        break
      }
      case 'step':
        this.#step(event)
        break
      case 'worker-joined':
        metrics.increase('worker_joins', {})
        break
      case 'worker-left':
        metrics.increase('worker_departures', { cause: event.reason === LEFT_ON_REQUEST ? 'left' : 'lost' })
        break
      case 'reissued':
        metrics.increase('shards_reissued', { reason: event.cause }, event.shards)
        break
      case 'refused': {
        metrics.increase('results_refused', { reason: event.code ?? 'malformed' })
        if (isBadValue(event.code)) metrics.increase('nonfinite_gradients', {})
        break
      }
      case 'rescued':
        metrics.increase('shards_rescued', {}, event.shards)
        break
      case 'quarantined':
        metrics.increase('quarantines', {})
        break
      case 'audited':
        metrics.increase('audits', { outcome: event.outcome })
        break
      case 'evaluated': {
        const { split, loss, accuracy, durationMs } = event.result
        if (split === 'train') break
        metrics.set('evaluation_loss', { split }, loss)
        if (accuracy !== undefined) metrics.set('evaluation_accuracy_ratio', { split }, accuracy)
        metrics.set('evaluation_duration_seconds', { split }, durationMs / 1000)
        this.#times.record('evaluate', durationMs / 1000)
        break
      }
      case 'resumed':
        metrics.set('step', {}, event.step)
        metrics.set('epoch', {}, event.epoch)
        break
      default:
        break
    }
  }

  #step(event: Extract<RunEvent, { kind: 'step' }>): void {
    const metrics = this.#metrics
    metrics.set('step', {}, event.step)
    metrics.set('epoch', {}, event.epoch)
    metrics.increase('samples', {}, this.#batchSize)
    metrics.set('loss', {}, event.loss)
    if (event.accuracy !== undefined) metrics.set('accuracy_ratio', {}, event.accuracy)
    metrics.set('learning_rate', {}, event.learningRate)
    metrics.set('gradient_norm', {}, event.gradientNorm)
    metrics.observe('step_duration_seconds', {}, event.durationMs / 1000)
    for (const phase of ['wait', 'reduce', 'journal', 'apply', 'publish'] as const) {
      const seconds = event.phaseSeconds[phase]
      if (seconds !== undefined) this.#times.record(phase, seconds)
    }
  }
}
