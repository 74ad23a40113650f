import type { Report } from '../metrics/definitions.js'
import type { MetricsServer } from '../metrics/serve-metrics.js'
import { serveMetrics } from '../metrics/serve-metrics.js'
import type { RunObserver } from '../training/run-events.js'
import type { Coordinator } from '../coordinator/coordinator.js'
import { MetricsFile } from './sinks/metrics-file.js'
import { PrometheusMetrics } from './sinks/prometheus-metrics.js'
import type { LossObserver } from './page/report-file.js'
import type { RunIdentity } from './run-identity.js'
import { RunPage } from './page/run-page.js'
import { TensorboardReport } from './sinks/tensorboard/tensorboard-report.js'

export interface RunReportsOptions {
  readonly runDirectory: string
  readonly identity: RunIdentity
  /** Ends the run, and a running inspection of the page. */
  readonly signal: AbortSignal
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Called once for each report that cannot be written, such as on a full disk. */
  readonly onLost: (report: Report, reason: Error) => void
  /** Called when the end waits for Prometheus, with the longest possible wait in seconds. */
  readonly onLastScrape: (seconds: number) => void
}

/** Supervisors may kill a stopped run soon. Prometheus, as set up in this project, scrapes every 5 s. */
const MAX_STOPPED_WAIT_MS = 6_000

/** The reports of a run, except terminal and log: `metrics.jsonl`, TensorBoard, Prometheus and the page. */
export class RunReports {
  readonly metrics: PrometheusMetrics
  readonly page: RunPage
  readonly tensorboard: TensorboardReport
  readonly #metricsFile: MetricsFile
  readonly #signal: AbortSignal
  readonly #onLastScrape: (seconds: number) => void
  #end: 'finished' | 'stopped' | 'interrupted' | 'failed' | undefined
  #server: MetricsServer | undefined

  constructor({ runDirectory, identity, signal, now, onLost, onLastScrape }: RunReportsOptions) {
    const metrics = new PrometheusMetrics(now, identity)
    const lossOf = (report: Report): LossObserver => {
      let isReported = false
      return (records, reason) => {
        metrics.lost(report, records)
        if (!isReported) onLost(report, reason)
        isReported = true
      }
    }
    const tensorboard = new TensorboardReport(runDirectory, identity, () => Date.now() / 1000, lossOf('tensorboard'))
    this.#signal = signal
    this.#onLastScrape = onLastScrape
    this.metrics = metrics
    this.tensorboard = tensorboard
    this.page = new RunPage(runDirectory, signal, tensorboard.inspected)
    this.#metricsFile = new MetricsFile(runDirectory, lossOf('metrics.jsonl'))
  }

  readonly observe: RunObserver = (event) => {
    this.#metricsFile.observe(event)
    this.metrics.observe(event)
    this.tensorboard.observe(event)
    this.page.observe(event)
    if (event.kind === 'finished') this.#end = 'finished'
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
    await this.tensorboard.close()
    await this.#metricsFile.close()
    if (this.#end === 'finished') await this.#server?.lastScrape(this.#signal, this.#onLastScrape)
    // The run's signal is aborted already, so it cannot end this wait; another SIGINT or SIGTERM ends the process.
    else if (this.#end !== undefined && this.#end !== 'failed')
      await this.#server?.lastScrape(new AbortController().signal, this.#onLastScrape, MAX_STOPPED_WAIT_MS)
    this.#server?.close()
  }
}
