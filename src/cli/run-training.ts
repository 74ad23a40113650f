import { rm } from 'node:fs/promises'
import path from 'node:path'
import { describeDataset } from '../data/describe-dataset.js'
import { announceRun } from '../coordinator/run-announcement.js'
import { finalTable } from '../reporting/final-table.js'
import { RunLog } from '../reporting/run-log.js'
import { createRunDirectory, writeProvenance, writeResult } from '../reporting/run-directory.js'
import type { RunIdentity } from '../reporting/run-identity.js'
import { runNameOf } from '../reporting/run-identity.js'
import { RunProgress } from '../reporting/run-progress.js'
import { RunReports } from '../reporting/run-reports.js'
import type { ProgressDisplay } from '../reporting/sinks/terminal-progress.js'
import { createProgressDisplay } from '../reporting/sinks/terminal-progress.js'
import type { PlannedRun } from '../coordinator/plan-run.js'
import { planRun } from '../coordinator/plan-run.js'
import { Coordinator } from '../coordinator/coordinator.js'
import type { RunConfig } from '../model/config/run-config.js'
import type { RunDescription } from '../model/run-description.js'
import { RunModels } from '../exports/run-models.js'
import { saveTrainedModel } from '../exports/trained-model.js'
import { ConvoyError } from '../shared/errors.js'
import type { OwnershipLock } from '../shared/ownership-lock.js'
import { version } from '../shared/version.js'
import { parseLogLevels } from '../shared/log/log-levels.js'
import type { Logger, LogRecord } from '../shared/log/log.js'
import { Log } from '../shared/log/log.js'
import { readableLine } from '../shared/log/readable-line.js'
import { standardError, standardOutput } from '../shared/terminal.js'
import { RunEndings } from './run-endings.js'
import type { LaunchOptions, OwnWorkers } from '../launch/launcher.js'
import type { RunOptions } from './flags/run-flags.js'

/** What workers need to know of the run that they are started for. */
type WorkerPlace = Omit<LaunchOptions, 'count' | 'device' | 'logLevel'>

/**
 * A whole run: directory, coordinator, workers, training, saved models, report. Returns after SIGTERM too, with the weights saved.
 * A user's mistake found before the coordinator listens leaves no directory behind.
 * @param name the last part of the run directory's name
 * @param startWorkers starts the workers of this process; others may join as well
 */
export async function runTraining(
  config: RunConfig,
  options: RunOptions,
  { name, recipe }: { readonly name: string; readonly recipe: string },
  startWorkers: (place: WorkerPlace) => OwnWorkers | undefined,
): Promise<void> {
  const earlier: LogRecord[] = []
  const sinks = [
    (record: LogRecord) => standardError.printLine(readableLine(record)),
    (record: LogRecord) => earlier.push(record),
  ]
  const early = new Log({ levels: parseLogLevels(options.logLevel), sinks, now: Date.now })
  const planned = await planRun(config, options.data, early.module('run').info)
  const { runDirectory, lock } = await createRunDirectory(options.runsDir, name, Date.now())
  await writeProvenance(runDirectory, config, version())
  const identity = { run: runNameOf(runDirectory), name, recipe, version: version() }
  await new RunProcess(options, planned, runDirectory, identity, earlier, lock).run(startWorkers)
}

/** The process of a run: opens its parts, and closes them in reverse order when the run ends or fails. */
class RunProcess {
  readonly #options: RunOptions
  readonly #planned: PlannedRun
  readonly #runDirectory: string
  readonly #identity: RunIdentity
  readonly #endings: RunEndings
  readonly #progress = new RunProgress()
  readonly #display: ProgressDisplay
  readonly #reports: RunReports
  readonly #runLog: RunLog
  readonly #log: Logger
  /** Functions that close the open parts, in the order of opening. */
  readonly #closing: (() => void | Promise<void>)[]
  #metricsUrl = ''
  #workers: OwnWorkers | undefined
  /** Whether workers may have joined. If so, the run directory stays. */
  #hasBegun = false
  /** Error of saving the weights of an incomplete run. */
  #unsaved: unknown

  constructor(
    options: RunOptions,
    planned: PlannedRun,
    runDirectory: string,
    identity: RunIdentity,
    earlier: readonly LogRecord[],
    lock: OwnershipLock | undefined,
  ) {
    this.#options = options
    this.#planned = planned
    this.#runDirectory = runDirectory
    this.#identity = identity
    this.#endings = new RunEndings(runDirectory)
    this.#display = createProgressDisplay(standardError, this.#progress, now)
    this.#reports = new RunReports({
      ...{ runDirectory, identity, signal: this.#endings.signal, now },
      onLost: (report, { message }) => {
        this.#log.warn(`${report} cannot be written (${message}). The run continues.`)
      },
      onLastScrape: (seconds) => {
        const remedy = 'for a last scrape by Prometheus (Ctrl-C to skip)'
        this.#log.info(`The run is over; waiting up to ${seconds.toFixed(0)} s ${remedy}.`)
      },
    })
    this.#runLog = new RunLog(runDirectory, options.logLevel, this.#display, this.#reports.page.addLine, earlier)
    this.#log = this.#runLog.log.module('run')
    this.#closing = [
      () => lock?.release(),
      async () => this.#runLog.close(),
      () => {
        this.#endings.close()
      },
      async () => this.#reports.close(),
    ]
  }

  async run(startWorkers: (place: WorkerPlace) => OwnWorkers | undefined): Promise<void> {
    let isMistake = false
    this.#endings.watch(this.#log)
    try {
      const coordinator = await this.#serve()
      const models = await this.#prepareModels(coordinator.description)
      await this.#announce(coordinator)
      this.#startWorkers(coordinator, startWorkers)
      this.#closing.push(() => this.#reports.page.keepStatus())
      await this.#train(coordinator, models)
    } catch (thrown) {
      const error = ConvoyError.from(this.#unsaved ?? thrown)
      isMistake = error.exitStatus === 2
      this.#recordBreak(error, thrown as Error)
    } finally {
      await this.#close()
      if (isMistake && !this.#hasBegun) await rm(this.#runDirectory, { recursive: true, force: true })
    }
  }

  /** Serves page and metrics first: they show that the coordinator is starting. */
  async #serve(): Promise<Coordinator> {
    let notReady = (): string | undefined => 'the coordinator does not listen yet'
    this.#metricsUrl = await this.#reports.serve(this.#options.metricsListen, () => notReady())
    const { audit } = this.#options
    const coordinator = await Coordinator.start({
      ...this.#options,
      auditEvery: audit === undefined ? 0 : Number(audit.slice('1/'.length)),
      run: this.#planned,
      progress: this.#progress,
      observer: (event) => {
        this.#reports.observe(event)
        this.#display.observe(event)
        this.#runLog.observe(event)
      },
      log: this.#runLog.log,
      onCall: (method, code, seconds, details) => {
        this.#reports.metrics.call(method, code, seconds)
        this.#runLog.call(method, code, seconds, details)
      },
      hooks: { onEpoch: this.#reports.onEpoch },
      signal: this.#endings.signal,
      runDirectory: this.#runDirectory,
      startingWorkers: () => this.#workers?.starting() ?? 0,
    })
    notReady = () => coordinator.notReady()
    this.#closing.push(() => coordinator.close())
    return coordinator
  }

  async #prepareModels(description: RunDescription): Promise<RunModels> {
    const { metrics } = this.#reports
    const models = await RunModels.prepare({
      ...{ runDirectory: this.#runDirectory, run: this.#identity.run, description, version: version(), log: this.#log },
      rescueDirectory: this.#options.rescueDir,
      waitMs: this.#options.rescueWait * 1000,
      signal: this.#endings.signal,
      onSaved: (bytes, seconds) => {
        metrics.saved(Date.now() / 1000, bytes, seconds)
      },
      onFailed: () => {
        metrics.saveFailed()
      },
    })
    this.#closing.push(async () => models.close())
    return models
  }

  async #announce(coordinator: Coordinator): Promise<void> {
    const { address, adminAddress, description, datasetFrom } = coordinator
    const { run } = this.#identity
    this.#reports.watch(coordinator, async (directory, weights, step) =>
      saveTrainedModel(directory, { description, weights, step }, version(), { run }),
    )
    const runDirectory = path.resolve(this.#runDirectory)
    await announceRun(
      { pid: process.pid, address, adminAddress, metrics: this.#metricsUrl, runDirectory },
      this.#options.announce,
    )
    this.#hasBegun = true
    const page = new URL('/', this.#metricsUrl).href
    this.#log.info(`Run directory ${this.#runDirectory}; workers join at ${address}; watch it at ${page}`)
    this.#log.info(describeDataset(description.dataset, datasetFrom))
  }

  #startWorkers(coordinator: Coordinator, startWorkers: (place: WorkerPlace) => OwnWorkers | undefined): void {
    const workers = startWorkers({
      address: coordinator.address,
      runDirectory: this.#runDirectory,
      log: this.#runLog.log,
      onNoneLeft: (why) => {
        if (coordinator.workerCount === 0)
          this.#endings.fail(new ConvoyError('environment', `No worker is left: ${why}`))
      },
    })
    this.#workers = workers
    if (workers === undefined) return
    // Workers end once the coordinator has announced the end of the run.
    this.#closing.push(async () => {
      await Promise.all([coordinator.close(), workers.close()])
    })
  }

  async #train(coordinator: Coordinator, models: RunModels): Promise<void> {
    const { result } = await coordinator.train({
      onValidated: async (snapshot, isBest) => models.keep({ last: snapshot, ...(isBest && { best: snapshot }) }),
      onBrokenOff: async (weights, step) => {
        await models.finish({ last: { weights, step } }).catch((error: unknown) => {
          this.#unsaved = error
        })
      },
    })
    this.#display.close()
    const runDirectory = this.#runDirectory
    // Printed before anything is saved: a full disk must not cost the result.
    standardOutput.print(
      this.#options.json ? `${JSON.stringify({ ...result, runDirectory })}\n` : finalTable(result, runDirectory),
    )
    await models.finish({}, async (directory) => writeResult(directory, result))
    await this.#reports.page.inspectTest(result, this.#log.info)
  }

  /** @param error what the run ended with @param thrown what ended the training @throws the error, unless it was a clean stop */
  #recordBreak(error: ConvoyError, thrown: Error): void {
    const { kind } = this.#endings
    if (this.#unsaved !== undefined && kind === 'failed') this.#log.error(thrown.message)
    const isStopped = error.code === 'interrupted'
    this.#reports.recordBreak(isStopped ? kind : 'failed', this.#endings.reason(error))
    if (!isStopped) throw this.#runLog.failed(error)
    // A stop that a supervisor asked for is a clean end.
    if (kind === 'interrupted') throw error
    this.#log.info(error.message)
  }

  async #close(): Promise<void> {
    this.#display.close()
    for (const close of this.#closing.reverse()) {
      try {
        await close()
      } catch (error) {
        // Close the rest: an open part would keep this process and its workers alive.
        this.#log.warn(`Not everything was written at the end: ${(error as Error).message}.`)
      }
    }
  }
}

function now(): number {
  return performance.now()
}
