import path from 'node:path'
import { announceRun } from '../coordinator/run-announcement.js'
import { finalTable } from '../coordinator/reporting/final-table.js'
import { MetricsFile } from '../coordinator/reporting/metrics-file.js'
import type { Report } from '../metrics/definitions.js'
import { serveMetrics } from '../metrics/serve-metrics.js'
import { PrometheusMetrics } from '../coordinator/reporting/prometheus-metrics.js'
import { RunLog } from '../coordinator/reporting/run-log.js'
import { createRunDirectory, writeProvenance, writeResult } from '../coordinator/reporting/run-directory.js'
import { runStatus } from '../coordinator/reporting/run-status.js'
import type { LossObserver } from '../coordinator/reporting/report-file.js'
import { RunStory } from '../coordinator/reporting/run-story.js'
import { TensorboardReport } from '../coordinator/reporting/tensorboard/tensorboard-report.js'
import { createProgressDisplay } from '../coordinator/reporting/terminal-progress.js'
import type { RunObserver } from '../coordinator/run-events.js'
import { startCoordinator } from '../coordinator/start-coordinator.js'
import type { RunStatus } from '../dashboard/page-state.js'
import { livePageOf } from '../dashboard/serve-page.js'
import type { RunConfig } from '../model/run-config.js'
import { saveTrainedModel } from '../saved-model/trained-model.js'
import { ConvoyError } from '../shared/errors.js'
import { version } from '../shared/version.js'
import type { Log } from '../shared/log/log.js'
import type { RunOptions } from './run-flags.js'
import { onStopSignals } from './stop-signals.js'

/** Workers that this process is responsible for. */
export interface OwnWorkers {
  /** Settles when they are gone; the coordinator has told them that the run is over. */
  close(): Promise<void>
}

export interface WorkerPlace {
  /** `host:port` that workers join. */
  readonly address: string
  readonly runDirectory: string
  readonly log: Log
  /** All own workers ended, and none will be started again. Ends the run, unless others work for it. */
  readonly onNoneLeft: (why: string) => void
}

/**
 * A whole run: directory, coordinator, workers, training, saved models, report. Returns after SIGTERM too, with the weights saved.
 * @param startWorkers starts the workers of this process's own; others may join as well
 */
export async function runTraining(
  config: RunConfig,
  options: RunOptions,
  defaultName: string,
  startWorkers: (place: WorkerPlace) => OwnWorkers | undefined,
): Promise<void> {
  const now = (): number => performance.now()
  const wallSeconds = (): number => Date.now() / 1000
  const runDirectory = createRunDirectory(options.runsDir, options.name ?? defaultName, Date.now())
  await writeProvenance(runDirectory, config, version())

  const display = createProgressDisplay(process.stderr, now)
  const metrics = new PrometheusMetrics(now)
  const story = new RunStory(runDirectory)
  const runLog = new RunLog(runDirectory, options.logLevel, display, (text, seconds) => {
    story.say(text, seconds)
  })
  const { log } = runLog
  const { info: notice, warn } = log.module('run')
  let status: () => RunStatus | undefined = () => undefined
  let notReady: () => string | undefined = () => 'the coordinator does not listen yet'
  const page = livePageOf({
    snapshot: () => story.snapshot(),
    takeUpdate: () => story.takeUpdate(),
    status: () => status(),
  })
  const lossOf = (report: Report): LossObserver => {
    let isSaid = false
    return (records, reason) => {
      metrics.lost(report, records)
      if (isSaid) return
      isSaid = true
      warn(`${report} cannot be written (${reason.message}). The run goes on.`)
    }
  }
  const metricsFile = new MetricsFile(runDirectory, lossOf('metrics.jsonl'))
  const tensorboard = new TensorboardReport(runDirectory, wallSeconds, lossOf('tensorboard'))
  const observer: RunObserver = (event) => {
    metricsFile.observe(event)
    metrics.observe(event)
    tensorboard.observe(event)
    display.observe(event)
    runLog.observe(event)
    story.observe(event, wallSeconds())
  }
  const interrupted = new AbortController()
  let isTerminated = false
  const restoreSignals = onStopSignals((signal) => {
    notice('Stopping; the weights so far are saved. Once more to stop at once.')
    isTerminated = signal === 'SIGTERM'
    interrupted.abort(new ConvoyError('interrupted', `Interrupted. What was done is in ${runDirectory}.`))
  })
  const closing: (() => void | Promise<void>)[] = [
    () => runLog.close(),
    () => metricsFile.close(),
    () => tensorboard.close(),
    restoreSignals,
  ]
  try {
    const metricsServer = await serveMetrics(
      metrics.render,
      options.metricsListen,
      '--metrics-listen',
      () => notReady(),
      (...request) => page.handle(...request),
    )
    closing.push(() => {
      page.close()
      metricsServer.close()
    })
    const coordinator = await startCoordinator({
      ...options,
      auditEvery: options.audit === undefined ? 0 : Number(options.audit.slice('1/'.length)),
      config,
      observer,
      log,
      onCall: (method, code, seconds, details) => {
        metrics.call(method, code, seconds)
        runLog.call(method, code, seconds, details)
      },
      onLandmark: tensorboard.passed,
      signal: interrupted.signal,
      runDirectory,
    })
    metrics.watch(coordinator)
    notReady = coordinator.notReady
    status = () => runStatus(coordinator, metrics.phases(), wallSeconds())
    closing.push(() => coordinator.close())
    const { address, adminAddress, description } = coordinator
    await announceRun(
      { pid: process.pid, address, adminAddress, metrics: metricsServer.url, runDirectory: path.resolve(runDirectory) },
      options.announce,
    )
    notice(
      `Run directory ${runDirectory}; workers join at ${address}; watch it at ${new URL('/', metricsServer.url).href}`,
    )
    const workers = startWorkers({
      address,
      runDirectory,
      log,
      onNoneLeft: (why) => {
        if (coordinator.workerCount === 0)
          interrupted.abort(new ConvoyError('environment', `No worker is left: ${why}`))
      },
    })
    if (workers) {
      // Workers go once the coordinator has told them: it closes first.
      closing.pop()
      closing.push(async () => {
        await Promise.all([coordinator.close(), workers.close()])
      })
    }

    const save = async (name: 'best' | 'last', weights: Float32Array, step: number): Promise<void> => {
      const startedMs = now()
      try {
        const directory = path.join(runDirectory, 'model', name)
        const bytes = await saveTrainedModel(directory, { description, weights, step }, version())
        metrics.saved(Date.now() / 1000, bytes, (now() - startedMs) / 1000)
      } catch (error) {
        metrics.saveFailed()
        throw error
      }
    }
    const { result, best, last } = await coordinator.train(async (weights, step) => save('last', weights, step))
    await save('best', best.weights, best.step)
    await save('last', last.weights, last.step)
    await writeResult(runDirectory, result)
    display.close()
    process.stdout.write(
      options.json ? `${JSON.stringify({ ...result, runDirectory })}\n` : finalTable(result, runDirectory),
    )
  } catch (thrown) {
    const error = ConvoyError.from(thrown)
    if (error.code !== 'interrupted') throw runLog.failed(error)
    // Whoever supervises it asked for an end, and got a clean one.
    if (!isTerminated) throw error
    notice(error.message)
  } finally {
    display.close()
    for (const close of closing.reverse()) await close()
  }
}
