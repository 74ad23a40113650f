import { rm } from 'node:fs/promises'
import path from 'node:path'
import { describeDataset } from '../data/describe-dataset.js'
import { announceRun } from '../coordinator/run-announcement.js'
import { finalTable } from '../reporting/final-table.js'
import { RunLog } from '../reporting/run-log.js'
import { writeResult } from '../reporting/run-directory.js'
import type { RunIdentity } from '../reporting/run-identity.js'
import { RunProgress } from '../reporting/run-progress.js'
import { RunReports } from '../reporting/run-reports.js'
import type { RunEnd } from '../reporting/webhook.js'
import { endOf, postRunEnd } from '../reporting/webhook.js'
import type { ProgressDisplay } from '../reporting/sinks/terminal-progress.js'
import { createProgressDisplay } from '../reporting/sinks/terminal-progress.js'
import type { EarlierRun } from '../coordinator/coordinator.js'
import { Coordinator } from '../coordinator/coordinator.js'
import type { RunModels } from '../exports/run-models.js'
import { saveTrainedModel } from '../exports/trained-model.js'
import { ConvoyError } from '../shared/errors.js'
import { version } from '../shared/version.js'
import type { Logger, LogRecord } from '../shared/log/log.js'
import { standardError, standardOutput } from '../shared/terminal.js'
import { DiskFaultPause } from './disk-fault-pause.js'
import { durableHooks, openDurableRun } from './durable-hooks.js'
import type { OpenedRun } from './open-run.js'
import { openRun } from './open-run.js'
import { prepareModels } from './prepare-models.js'
import { RunEndings } from './run-endings.js'
import type { LaunchOptions, OwnWorkers } from '../launch/launcher.js'
import type { Supervised } from '../launch/supervision/supervised.js'
import type { RunOptions, RunRequest } from './flags/run-flags.js'

/** What workers need to know of the run that they are started for. */
export type WorkerPlace = Omit<LaunchOptions, 'count' | 'device' | 'logLevel'>

/** Starts the workers of a run; undefined: it has none of its own. */
type StartWorkers = (place: WorkerPlace) => Promise<OwnWorkers> | undefined

/**
 * A whole run: directory, coordinator, workers, training, saved models, report. Returns after SIGTERM too, with the weights saved.
 * A user's mistake found before the coordinator listens leaves no directory behind.
 * @param startWorkers starts the workers of this process; others may join as well
 * @param supervised the process that restarts this one when it dies
 */
export async function runTraining(
  request: RunRequest,
  startWorkers: StartWorkers,
  supervised?: Supervised,
): Promise<void> {
  const { options, early } = request
  const run = await openRun(request)
  const records = [...(supervised?.records ?? []), ...early.records]
  await new RunProcess(options, run, records, supervised).run(startWorkers)
}

/** The process of a run: opens its parts, and closes them in reverse order when the run ends or fails. */
class RunProcess {
  readonly #options: RunOptions
  readonly #opened: OpenedRun
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
  /** For --webhook. */
  #end: RunEnd | undefined
  /** Error of saving the weights of an incomplete run. */
  #unsaved: unknown

  /** @param earlier records of the log from before the run was opened */
  constructor(
    options: RunOptions,
    opened: OpenedRun,
    earlier: readonly LogRecord[],
    supervised: Supervised | undefined,
  ) {
    const { runDirectory, identity, lock, restored } = opened
    this.#options = options
    this.#opened = opened
    this.#runDirectory = runDirectory
    this.#identity = identity
    this.#endings = new RunEndings(runDirectory, 1000 * options.grace, supervised)
    this.#display = createProgressDisplay(standardError, this.#progress, now)
    this.#reports = new RunReports({
      ...{ runDirectory, identity, signal: this.#endings.signal, now },
      resumption: restored && { step: restored.state.step, validatedStep: restored.state.last?.step },
      onLost: (report, { message }) => {
        this.#log.warn(`${report} cannot be written (${message}). The run continues.`)
      },
      onLastScrape: (seconds) => {
        const remedy = 'for a last scrape by Prometheus (Ctrl-C to skip)'
        this.#log.info(`The run is over; waiting up to ${seconds.toFixed(0)} s ${remedy}.`)
      },
    })
    this.#reports.metrics.restarted(supervised?.restarts ?? 0)
    this.#runLog = new RunLog(runDirectory, options.logLevel, this.#display, this.#reports.page.addLine, earlier)
    this.#log = this.#runLog.log.module('run')
    this.#closing = [
      () => lock?.release(),
      async () => this.#runLog.close(),
      () => {
        this.#endings.close()
      },
      async () => this.#postEnd(),
      async () => this.#reports.close(),
    ]
  }

  async run(startWorkers: StartWorkers): Promise<void> {
    let isMistake = false
    this.#endings.watch(this.#log)
    try {
      const coordinator = await this.#serve()
      const { metrics } = this.#reports
      const models = await prepareModels(this.#opened, this.#options, {
        ...{ metrics, log: this.#log, signal: this.#endings.signal },
      })
      this.#closing.push(async () => models.close())
      await this.#announce(coordinator)
      await this.#startWorkers(coordinator, startWorkers)
      this.#closing.push(() => this.#reports.page.keepStatus())
      await this.#train(coordinator, models)
    } catch (thrown) {
      const error = ConvoyError.from(this.#unsaved ?? thrown)
      isMistake = error.exitStatus === 2
      this.#recordBreak(error, thrown as Error)
    } finally {
      await this.#close()
      if (isMistake && !this.#hasBegun && this.#opened.restored === undefined)
        await rm(this.#runDirectory, { recursive: true, force: true })
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
      ...{ run: this.#opened.planned, earlier: this.#earlier() },
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

  /** What the coordinator needs of those before it, or of the ancestor of a fork. */
  #earlier(): EarlierRun {
    const { state, restored } = this.#opened
    const manifest = restored?.checkpoint.manifest
    return {
      ...{ state, checkpointStep: manifest?.position.step, lastWorkerId: this.#reports.lastWorkerId },
      deviceFingerprint: manifest?.deviceFingerprint ?? undefined,
    }
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

  async #startWorkers(coordinator: Coordinator, startWorkers: StartWorkers): Promise<void> {
    const workers = await startWorkers({
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
    const { metrics } = this.#reports
    const pause = new DiskFaultPause(coordinator.steering, this.#log, this.#endings.signal)
    const durable = openDurableRun(this.#opened, this.#options, () => coordinator.deviceFingerprint, {
      ...{ progress: this.#progress, metrics, log: this.#log, onRecorded: this.#reports.sync },
      onFault: this.#options.onDiskFault === 'pause' ? pause.onFault : () => undefined,
    })
    this.#closing.push(async () => durable.close())
    const hooks = durableHooks(durable, models, this.#opened, this.#options)
    const trained = await coordinator.train({
      ...{ ...hooks, compute: this.#workers?.compute },
      onBegin: async (state) => {
        this.#reports.observeReplayed(this.#opened.restored?.events ?? [])
        await hooks.onBegin(state)
      },
      onBrokenOff: async (state, isWhole) => {
        if (isWhole) await durable.checkpointNow(state)
        const { weights, step } = state
        await models.finish({ last: { weights, step } }).catch((error: unknown) => {
          this.#unsaved = error
        })
      },
    })
    this.#display.close()
    const result = { ...trained.result, ancestor: this.#opened.ancestor }
    const asJson = (): string => `${JSON.stringify({ ...result, runDirectory: this.#runDirectory })}\n`
    // Printed before anything is saved: a full disk must not cost the result.
    standardOutput.print(this.#options.json ? asJson() : finalTable(result, this.#runDirectory))
    await models.finish({}, async (directory) => writeResult(directory, result))
    await durable.finish(trained.state)
    this.#end = endOf(trained.result, this.#progress.summary)
    await this.#reports.page.inspectTest(result, this.#log.info)
  }

  /** @param error what the run ended with @param thrown what ended the training @throws the error, unless it was a clean stop */
  #recordBreak(error: ConvoyError, thrown: Error): void {
    const { kind } = this.#endings
    if (this.#unsaved !== undefined && kind === 'failed') this.#log.error(thrown.message)
    const isStopped = error.code === 'interrupted'
    this.#reports.recordBreak(isStopped ? kind : 'failed', this.#endings.reason(error))
    this.#end = isStopped ? { state: 'stopped' } : { state: 'failed', error: error.message }
    if (!isStopped) throw this.#runLog.failed(error)
    // A stop that a supervisor asked for is a clean end.
    if (kind === 'interrupted') throw error
    this.#log.info(error.message)
  }

  async #postEnd(): Promise<void> {
    const { webhook } = this.#options
    // Before it has begun, a run fails as any command does.
    if (webhook === undefined || this.#end === undefined || !this.#hasBegun) return
    const place = { run: this.#identity.run, runDirectory: path.resolve(this.#runDirectory) }
    const message = { ...place, step: this.#progress.summary.step, ...this.#end }
    await postRunEnd(webhook, message, this.#endings.lastCall(), this.#log.warn)
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
