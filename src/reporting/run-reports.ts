import type { MetricsServer } from '../metrics/serve-metrics.js'
import { serveMetrics } from '../metrics/serve-metrics.js'
import type { RunEvent, RunObserver } from '../training/run-events.js'
import type { Coordinator } from '../coordinator/coordinator.js'
import { PrometheusMetrics } from './sinks/prometheus-metrics.js'
import type { LossObserver } from './page/report-file.js'
import type { RunIdentity } from './run-identity.js'
import { RunPage } from './page/run-page.js'
import { readMetrics } from './sinks/metrics-file.js'
import type { Resumption, RunSink } from './sinks/run-sink.js'
import { SINKS } from './sinks/sinks.js'
import type { EpochSnapshot } from '../training/trainer-options.js'

export interface RunReportsOptions {
  readonly runDirectory: string
  readonly identity: RunIdentity
  /** The run goes on: its reports go on behind what earlier coordinators wrote. */
  readonly resumption?: Resumption | undefined
  /** Ends the run, and a running inspection of the page. */
  readonly signal: AbortSignal
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Called once for each report that cannot be written, such as on a full disk. */
  readonly onLost: (report: string, reason: Error) => void
  /** Called when the end of the run waits for Prometheus; seconds at most. */
  readonly onLastScrape: (seconds: number) => void
}

/** A stopped run may soon be killed; Prometheus as this project sets it up scrapes every 5 s. */
const MAX_STOPPED_WAIT_MS = 6_000

/** All reports of a run, terminal and log aside: the sinks, Prometheus and the page. */
export class RunReports {
  readonly metrics: PrometheusMetrics
  readonly page: RunPage
  /** The highest id of a worker of earlier coordinators; 0: there were none. */
  readonly lastWorkerId: number
  readonly #sinks: readonly RunSink[]
  /** The last steps that the page shows of earlier coordinators. */
  readonly #earlier = { step: 0, validation: 0 }
  readonly #signal: AbortSignal
  readonly #onLastScrape: (seconds: number) => void
  #end: 'finished' | 'stopped' | 'interrupted' | 'failed' | undefined
  #server: MetricsServer | undefined

  constructor({ runDirectory, identity, resumption, signal, now, onLost, onLastScrape }: RunReportsOptions) {
    const metrics = new PrometheusMetrics(now, identity)
    this.#sinks = SINKS.map((sink) =>
      sink.open({
        runDirectory,
        identity,
        resumption,
        wallSeconds: () => Date.now() / 1000,
        onLost: lossOf(sink.name),
      }),
    )
    this.#signal = signal
    this.#onLastScrape = onLastScrape
    this.metrics = metrics
    this.page = new RunPage(runDirectory, signal, (inspection) => {
      for (const sink of this.#sinks) sink.onInspection?.(inspection)
    })

    this.lastWorkerId = resumption === undefined ? 0 : this.#readEarlier(runDirectory)

    function lossOf(report: string): LossObserver {
      let isReported = false
      // From the beginning, so that Prometheus sees the first loss as an increase.
      metrics.lost(report, 0)
      return (records, reason) => {
        metrics.lost(report, records)
        if (!isReported) onLost(report, reason)
        isReported = true
      }
    }
  }

  readonly observe: RunObserver = (event) => {
    for (const sink of this.#sinks) sink.observe(event)
    this.metrics.observe(event)
    this.page.observe(event)
    if (event.kind === 'finished') this.#end = 'finished'
  }

  /** Shows on the page what earlier coordinators did. @returns the highest id of their workers */
  #readEarlier(runDirectory: string): number {
    let lastWorkerId = 0
    for (const { time, ...event } of readMetrics(runDirectory)) {
      if (event.kind === 'step') this.#earlier.step = event.step
      if (event.kind === 'evaluated') this.#earlier.validation = event.result.step
      if (event.kind === 'worker-joined') lastWorkerId = Math.max(lastWorkerId, event.worker.id)
      if (event.kind === 'started') this.page.began(time)
      else if (event.kind !== 'finished') this.page.restore(event, time)
    }
    return lastWorkerId
  }

  /** Adds what an earlier coordinator did, and could not write any more. */
  observeReplayed(events: readonly RunEvent[]): void {
    for (const event of events) {
      for (const sink of this.#sinks) sink.observe(event)
      const step = event.kind === 'step' ? event.step : event.kind === 'evaluated' ? event.result.step : 0
      if (step > this.#earlier[event.kind === 'step' ? 'step' : 'validation']) this.page.observe(event)
    }
  }

  /** See TrainerHooks.onEpoch. */
  readonly onEpoch = (snapshot: EpochSnapshot): void => {
    for (const sink of this.#sinks) sink.onEpoch?.(snapshot)
  }

  /** Settles when the sinks have every event so far on the disk, unless a write failed. */
  readonly sync = async (): Promise<void> => {
    await Promise.all(this.#sinks.map(async (sink) => sink.sync?.()))
  }

  /** Records that the run did not finish, or that its result could not be saved. @param kind stopped, interrupted: on request */
  recordBreak(kind: 'stopped' | 'interrupted' | 'failed', reason: string): void {
    this.page.recordBreak(kind, reason)
    this.#end = kind
  }

  /**
   * Serves metrics, probes and the page.
   * @param notReady gives the reason for not being ready; undefined when ready
   * @returns the address of `/metrics`
   * @throws ConvoyError('usage') when the address cannot be bound
   */
  async serve(address: string, notReady: () => string | undefined): Promise<string> {
    this.#server = await serveMetrics(this.metrics.render, address, '--metrics-listen', notReady, this.page.handle)
    return this.#server.url
  }

  /** Connects the reports to the coordinator whose status they show. @param save saves weights as a model in a directory */
  watch(
    coordinator: Coordinator,
    save: (directory: string, weights: Float32Array, step: number) => Promise<unknown>,
  ): void {
    this.metrics.watch(coordinator)
    this.page.watch({ coordinator, phases: () => this.metrics.phases(), save })
  }

  /** Writes all records, waits for a last scrape unless the run failed, and closes the reports. */
  async close(): Promise<void> {
    await this.page.close()
    for (const sink of this.#sinks.toReversed()) await sink.close()
    if (this.#end === 'finished') await this.#server?.lastScrape(this.#signal, this.#onLastScrape)
    // The run's signal is aborted already, so it cannot end this wait; another SIGINT or SIGTERM ends the process.
    else if (this.#end !== undefined && this.#end !== 'failed')
      await this.#server?.lastScrape(new AbortController().signal, this.#onLastScrape, MAX_STOPPED_WAIT_MS)
    this.#server?.close()
  }
}
