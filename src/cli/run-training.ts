import { rm } from 'node:fs/promises'
import path from 'node:path'
import { describeDataset } from '../data/describe-dataset.js'
import { announceRun } from '../coordinator/run-announcement.js'
import { finalTable } from '../reporting/final-table.js'
import { RunLog } from '../reporting/run-log.js'
import { createRunDirectory, writeProvenance, writeResult } from '../reporting/run-directory.js'
import { runNameOf } from '../reporting/run-identity.js'
import { RunReports } from '../reporting/run-reports.js'
import { createProgressDisplay } from '../reporting/sinks/terminal-progress.js'
import { planRun } from '../coordinator/plan-run.js'
import type { RunObserver } from '../training/run-events.js'
import { startCoordinator } from '../coordinator/start-coordinator.js'
import type { RunConfig } from '../model/config/run-config.js'
import { RunModels } from '../exports/run-models.js'
import { saveTrainedModel } from '../exports/trained-model.js'
import { ConvoyError } from '../shared/errors.js'
import { version } from '../shared/version.js'
import { parseLogLevels } from '../shared/log/log-levels.js'
import type { LogRecord } from '../shared/log/log.js'
import { Log } from '../shared/log/log.js'
import { forPeople } from '../shared/log/people-format.js'
import { standardError, standardOutput } from '../shared/terminal.js'
import { RunEndings } from './run-endings.js'
import type { RunOptions } from './flags/run-flags.js'

/** Workers that this process is responsible for. */
export interface OwnWorkers {
  /** Settles when they are gone; the coordinator has told them that the run is over. */
  close(): Promise<void>
  /** Those that run, and have not run for so long that they should have joined. */
  starting(): number
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
 * The data set is opened first; a user's mistake that shows before the coordinator listens leaves no directory behind.
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
  const earlier: LogRecord[] = []
  const sinks = [
    (record: LogRecord) => standardError.notice(forPeople(record)),
    (record: LogRecord) => earlier.push(record),
  ]
  const early = new Log({ levels: parseLogLevels(options.logLevel), sinks, now: Date.now })
  const planned = await planRun(config, options.data, early.module('run').info)
  const { runDirectory, lock } = await createRunDirectory(options.runsDir, name, Date.now())
  await writeProvenance(runDirectory, config, version())

  const display = createProgressDisplay(standardError, now)
  const endings = new RunEndings(runDirectory)
  const run = runNameOf(runDirectory)
  const reports = new RunReports({
    runDirectory,
    identity: { run, name, recipe, version: version() },
    signal: endings.signal,
    now,
    onLost: (report, { message }) => {
      warn(`${report} cannot be written (${message}). The run goes on.`)
    },
    onLastScrape: (seconds) => {
      notice(`The run is over; waiting up to ${seconds.toFixed(0)} s for a last scrape by Prometheus (Ctrl-C to skip).`)
    },
  })
  const { metrics, page } = reports
  const runLog = new RunLog(runDirectory, options.logLevel, display, page.say, earlier)
  const { log } = runLog
  const { info: notice, warn } = log.module('run')
  const observer: RunObserver = (event) => {
    reports.observe(event)
    display.observe(event)
    runLog.observe(event)
  }
  let hasBegun = false
  let isMistake = false
  let unsaved: unknown
  endings.watch(log.module('run'))
  const closing: (() => void | Promise<void>)[] = [
    () => lock?.release(),
    async () => runLog.close(),
    () => {
      endings.close()
    },
    async () => reports.close(),
  ]
  try {
    let workers = undefined as OwnWorkers | undefined
    let notReady: () => string | undefined = () => 'the coordinator does not listen yet'
    const metricsUrl = await reports.serve(options.metricsListen, () => notReady())
    const coordinator = await startCoordinator({
      ...options,
      auditEvery: options.audit === undefined ? 0 : Number(options.audit.slice('1/'.length)),
      run: planned,
      observer,
      log,
      onCall: (method, code, seconds, details) => {
        metrics.call(method, code, seconds)
        runLog.call(method, code, seconds, details)
      },
      hooks: { onEpoch: reports.tensorboard.passed },
      signal: endings.signal,
      runDirectory,
      startingWorkers: () => workers?.starting() ?? 0,
    })
    notReady = coordinator.notReady
    closing.push(() => coordinator.close())
    const { address, adminAddress, description } = coordinator
    const models = await RunModels.prepare({
      ...{ runDirectory, run, description, version: version(), log: log.module('run') },
      rescueDirectory: options.rescueDir,
      waitMs: options.rescueWait * 1000,
      signal: endings.signal,
      onSaved: (bytes, seconds) => {
        metrics.saved(Date.now() / 1000, bytes, seconds)
      },
      onFailed: () => {
        metrics.saveFailed()
      },
    })
    closing.push(async () => models.close())
    reports.watch(coordinator, async (directory, weights, step) =>
      saveTrainedModel(directory, { description, weights, step }, version(), { run }),
    )
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
        if (coordinator.workerCount === 0) endings.fail(new ConvoyError('environment', `No worker is left: ${why}`))
      },
    })
    const own = workers
    if (own) {
      // Workers go once the coordinator has told them.
      closing.push(async () => {
        await Promise.all([coordinator.close(), own.close()])
      })
    }
    closing.push(() => page.keepStatus())

    const { result } = await coordinator.train({
      onValidated: async (snapshot, isBest) => models.keep({ last: snapshot, ...(isBest && { best: snapshot }) }),
      onBrokenOff: async (weights, step) => {
        await models.finish({ last: { weights, step } }).catch((error: unknown) => {
          unsaved = error
        })
      },
    })
    display.close()
    // First: whatever becomes of the disk, the result is there.
    standardOutput.print(
      options.json ? `${JSON.stringify({ ...result, runDirectory })}\n` : finalTable(result, runDirectory),
    )
    await models.finish({}, async (directory) => writeResult(directory, result))
    await page.lookAtTest(result, notice)
  } catch (thrown) {
    const error = ConvoyError.from(unsaved ?? thrown)
    if (unsaved !== undefined && endings.kind === 'failed') log.module('run').error((thrown as Error).message)
    isMistake = error.exitStatus === 2
    const isStopped = error.code === 'interrupted'
    reports.brokeOff(isStopped ? endings.kind : 'failed', endings.reason(error))
    if (!isStopped) throw runLog.failed(error)
    // Whoever supervises it asked for an end, and got a clean one.
    if (endings.kind === 'interrupted') throw error
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
