import path from 'node:path'
import { announceRun } from '../coordinator/run-announcement.js'
import { finalTable } from '../coordinator/reporting/final-table.js'
import { MetricsFile } from '../coordinator/reporting/metrics-file.js'
import { serveMetrics } from '../metrics/serve-metrics.js'
import { PrometheusMetrics } from '../coordinator/reporting/prometheus-metrics.js'
import { createRunDirectory, writeProvenance, writeResult } from '../coordinator/reporting/run-directory.js'
import { RunPage } from '../coordinator/reporting/run-page.js'
import { createProgressDisplay } from '../coordinator/reporting/terminal-progress.js'
import type { RunObserver } from '../coordinator/run-events.js'
import { startCoordinator } from '../coordinator/start-coordinator.js'
import type { RunConfig } from '../model/run-config.js'
import { saveTrainedModel } from '../saved-model/trained-model.js'
import { ConvoyError } from '../shared/errors.js'
import { version } from '../shared/version.js'
import { closeLogger, createLogger } from '../shared/logger.js'
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
  /** One line for people. */
  readonly notice: (text: string) => void
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
  const runDirectory = createRunDirectory(options.runsDir, options.name ?? defaultName, Date.now())
  await writeProvenance(runDirectory, config, version())

  const logger = createLogger(runDirectory)
  const display = createProgressDisplay(process.stderr, now)
  const metricsFile = new MetricsFile(runDirectory)
  const metrics = new PrometheusMetrics(now)
  const interrupted = new AbortController()
  const page = new RunPage(runDirectory, interrupted.signal)
  const notice = (text: string): void => {
    logger.info(text)
    page.say(text)
    display.notice(text)
  }
  const observer: RunObserver = (event) => {
    metricsFile.observe(event)
    metrics.observe(event)
    display.observe(event)
    page.observe(event)
    if (event.kind !== 'step' && event.kind !== 'evaluating') logger.info(event.kind, { event })
  }
  let isTerminated = false
  const restoreSignals = onStopSignals((signal) => {
    notice('Stopping; the weights so far are saved. Once more to stop at once.')
    isTerminated = signal === 'SIGTERM'
    interrupted.abort(new ConvoyError('interrupted', `Interrupted. What was done is in ${runDirectory}.`))
  })
  const closing: (() => void | Promise<void>)[] = [() => closeLogger(logger), () => metricsFile.close(), restoreSignals]
  try {
    const metricsServer = await serveMetrics(metrics.render, options.metricsListen, '--metrics-listen', page.handle)
    closing.push(async () => {
      await page.close()
      metricsServer.close()
    })
    const coordinator = await startCoordinator({
      ...options,
      auditEvery: options.audit === undefined ? 0 : Number(options.audit.slice('1/'.length)),
      config,
      observer,
      onCall: metrics.call,
      signal: interrupted.signal,
      runDirectory,
    })
    metrics.watch(coordinator)
    closing.push(() => coordinator.close())
    const { address, adminAddress, description } = coordinator
    page.watch({
      coordinator,
      phases: () => metrics.phases(),
      save: async (directory, weights, step) => saveTrainedModel(directory, { description, weights, step }, version()),
    })
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
      notice,
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
    closing.push(() => page.keepStatus())

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
    await page.showTest(notice)
    display.close()
    process.stdout.write(
      options.json ? `${JSON.stringify({ ...result, runDirectory })}\n` : finalTable(result, runDirectory),
    )
  } catch (thrown) {
    const error = ConvoyError.from(thrown)
    logger.error(error.message)
    // Whoever supervises it asked for an end, and got a clean one.
    if (!isTerminated || error.code !== 'interrupted') throw error
    notice(error.message)
  } finally {
    display.close()
    for (const close of closing.reverse()) await close()
  }
}
