import { rm } from 'node:fs/promises'
import path from 'node:path'
import { describeDataset } from '../data/describe-dataset.js'
import { announceRun } from '../coordinator/run-announcement.js'
import { finalTable } from '../coordinator/reporting/final-table.js'
import { RunLog } from '../coordinator/reporting/run-log.js'
import { createRunDirectory, writeProvenance, writeResult } from '../coordinator/reporting/run-directory.js'
import { runNameOf } from '../coordinator/reporting/run-identity.js'
import { RunReports } from '../coordinator/reporting/run-reports.js'
import { createProgressDisplay } from '../coordinator/reporting/terminal-progress.js'
import type { EvaluationResult, RunObserver } from '../coordinator/run-events.js'
import { startCoordinator } from '../coordinator/start-coordinator.js'
import type { RunConfig } from '../model/run-config.js'
import type { WeightsOrigin } from '../saved-model/model-metadata.js'
import { saveTrainedModel } from '../saved-model/trained-model.js'
import { ConvoyError } from '../shared/errors.js'
import { version } from '../shared/version.js'
import type { Log } from '../shared/log/log.js'
import { standardError, standardOutput } from '../shared/terminal.js'
import type { RunOptions } from './run-flags.js'
import { onStopSignals } from './stop-signals.js'

/** Workers that this process is responsible for. */
export interface OwnWorkers {
  /** Settles when they are gone; the coordinator has told them that the run is over. */
  close(): Promise<void>
  /** Those that run, and have not run for so long that they should have joined. */
  starting(): number
}

/** Weights to save, and how they were judged, if they were. */
interface Saved {
  readonly weights: Float32Array
  readonly step: number
  readonly validation?: Pick<EvaluationResult, 'accuracy'>
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
 * A user's mistake that shows before the coordinator listens leaves no directory behind.
 * @param name the last part of the run directory's name, and the recipe
 * @param startWorkers starts the workers of this process's own; others may join as well
 */
export async function runTraining(
  config: RunConfig,
  options: RunOptions,
  { name, recipe }: { readonly name: string; readonly recipe: string },
  startWorkers: (place: WorkerPlace) => OwnWorkers | undefined,
): Promise<void> {
  const now = (): number => performance.now()
  const { runDirectory, lock } = await createRunDirectory(options.runsDir, name, Date.now())
  await writeProvenance(runDirectory, config, version())

  const display = createProgressDisplay(standardError, now)
  const interrupted = new AbortController()
  const reports = new RunReports({
    runDirectory,
    identity: { run: runNameOf(runDirectory), name, recipe, version: version() },
    signal: interrupted.signal,
    now,
    onLost: (report, { message }) => {
      warn(`${report} cannot be written (${message}). The run goes on.`)
    },
    onLastScrape: (seconds) => {
      notice(`The run is over; Prometheus may read its result for ${seconds.toFixed(0)} s (Ctrl-C: not).`)
    },
  })
  const { metrics, page } = reports
  const runLog = new RunLog(runDirectory, options.logLevel, display, page.say)
  const { log } = runLog
  const { info: notice, warn } = log.module('run')
  const observer: RunObserver = (event) => {
    reports.observe(event)
    display.observe(event)
    runLog.observe(event)
  }
  let isTerminated = false
  let hasBegun = false
  let isMistake = false
  const restoreSignals = onStopSignals((signal) => {
    notice('Stopping; the weights so far are saved. Once more to stop at once.')
    isTerminated = signal === 'SIGTERM'
    interrupted.abort(new ConvoyError('interrupted', `Interrupted. What was done is in ${runDirectory}.`))
  })
  const closing: (() => void | Promise<void>)[] = [
    () => lock?.release(),
    async () => runLog.close(),
    restoreSignals,
    async () => reports.close(),
  ]
  try {
    let workers = undefined as OwnWorkers | undefined
    let notReady: () => string | undefined = () => 'the coordinator does not listen yet'
    const metricsUrl = await reports.serve(options.metricsListen, () => notReady())
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
      onLandmark: reports.tensorboard.passed,
      signal: interrupted.signal,
      runDirectory,
      startingWorkers: () => workers?.starting() ?? 0,
    })
    notReady = coordinator.notReady
    closing.push(() => coordinator.close())
    const { address, adminAddress, description } = coordinator
    const saveModel = async (
      directory: string,
      weights: Float32Array,
      step: number,
      origin: WeightsOrigin = {},
    ): Promise<number> =>
      saveTrainedModel(directory, { description, weights, step }, version(), {
        run: runNameOf(runDirectory),
        ...origin,
      })
    reports.watch(coordinator, saveModel)
    await announceRun(
      { pid: process.pid, address, adminAddress, metrics: metricsUrl, runDirectory: path.resolve(runDirectory) },
      options.announce,
    )
    hasBegun = true
    notice(`Run directory ${runDirectory}; workers join at ${address}; watch it at ${new URL('/', metricsUrl).href}`)
    notice(describeDataset(description.dataset, coordinator.datasetFrom))
    workers = startWorkers({
      address,
      runDirectory,
      log,
      onNoneLeft: (why) => {
        if (coordinator.workerCount === 0)
          interrupted.abort(new ConvoyError('environment', `No worker is left: ${why}`))
      },
    })
    const own = workers
    if (own) {
      // Workers go once the coordinator has told them: it closes first.
      closing.pop()
      closing.push(async () => {
        await Promise.all([coordinator.close(), own.close()])
      })
    }
    closing.push(() => page.keepStatus())

    const save = async (which: 'best' | 'last', { weights, step, validation }: Saved): Promise<void> => {
      const startedMs = now()
      try {
        const bytes = await saveModel(path.join(runDirectory, 'model', which), weights, step, {
          which,
          ...(validation && { validationAccuracy: validation.accuracy }),
        })
        metrics.saved(Date.now() / 1000, bytes, (now() - startedMs) / 1000)
      } catch (error) {
        metrics.saveFailed()
        throw new ConvoyError(
          'environment',
          `The ${which} weights cannot be saved: ${(error as Error).message}. Make room in ${runDirectory}.`,
          { cause: error },
        )
      }
    }
    const { result, best, last } = await coordinator.train(async (weights, step) => save('last', { weights, step }))
    await save('best', best)
    await save('last', last)
    await writeResult(runDirectory, result)
    await page.lookAtTest(result, notice)
    display.close()
    standardOutput.print(
      options.json ? `${JSON.stringify({ ...result, runDirectory })}\n` : finalTable(result, runDirectory),
    )
  } catch (thrown) {
    const error = ConvoyError.from(thrown)
    isMistake = error.exitStatus === 2
    page.brokeOff(error)
    if (error.code !== 'interrupted') throw runLog.failed(error)
    // Whoever supervises it asked for an end, and got a clean one.
    if (!isTerminated) throw error
    notice(error.message)
  } finally {
    display.close()
    for (const close of closing.reverse()) {
      try {
        await close()
      } catch (error) {
        // What stayed open would keep this process, and workers, for ever.
        warn(`Not everything was written at the end: ${(error as Error).message}.`)
      }
    }
    if (isMistake && !hasBegun) await rm(runDirectory, { recursive: true, force: true })
  }
}
