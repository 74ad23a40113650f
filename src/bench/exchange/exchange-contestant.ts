import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { PlannedRun } from '../../coordinator/plan-run.js'
import { Coordinator } from '../../coordinator/coordinator.js'
import { weightsSha256 } from '../../model/weights-sha256.js'
import { ConvoyError } from '../../shared/errors.js'
import { parseLogLevels } from '../../shared/log/log-levels.js'
import { Log } from '../../shared/log/log.js'
import { readableLine } from '../../shared/log/readable-line.js'
import { standardError } from '../../shared/terminal.js'
import { StepGate } from '../step-gate.js'
import type { BusyTimes } from './step-recorder.js'
import { StepRecorder } from './step-recorder.js'
import type { Timeline } from './timeline.js'
import { sectionsOf } from './timeline.js'
import type { VectorPath } from './worker-processes.js'
import { ExchangeWorkers, placeOf } from './worker-processes.js'

export interface ExchangeContestantOptions {
  readonly run: PlannedRun
  readonly workers: number
  readonly path: VectorPath
  /** Of a shard, see syntheticComputer. */
  readonly waitMs: number
}

/** A coordinator in this process, with worker processes that compute nothing. Between turns no lease is given. */
export class ExchangeContestant {
  readonly #options: ExchangeContestantOptions
  readonly #directory = mkdtempSync(path.join(os.tmpdir(), 'convoy-bench-'))
  readonly #gate = new StepGate()
  readonly #recorder = new StepRecorder()
  readonly #abort = new AbortController()
  /** Of the steps since the start, but for those in which the slowest worker had several leases. */
  readonly timelines: Timeline[] = []
  /** Of the same steps. */
  readonly busy: BusyTimes[] = []
  /** Of every step since the start: workers that had a lease. */
  readonly takingPart: number[] = []
  #steps = 0
  #coordinator: Coordinator | undefined
  #workers: ExchangeWorkers | undefined
  #ended: Promise<unknown> = Promise.resolve()

  private constructor(options: ExchangeContestantOptions) {
    this.#options = options
  }

  /** Settles when all workers are ready. @throws ConvoyError('environment') when one ends before */
  static async start(options: ExchangeContestantOptions): Promise<ExchangeContestant> {
    const contestant = new ExchangeContestant(options)
    try {
      await contestant.#start()
      return contestant
    } catch (error) {
      await contestant.close()
      throw error
    }
  }

  /** Runs this many steps. @returns the seconds of each */
  async steps(count: number): Promise<number[]> {
    this.#recorder.begin()
    const seconds = await this.#gate.take(count)
    const recorded = this.#recorder.end()
    const ofWorkers = await this.#workers!.steps({ first: this.#steps, count })
    const places = new Map(this.#coordinator!.workers().map(({ id, name }) => [id, placeOf(name)]))
    this.#steps += count
    for (const step of recorded) {
      this.takingPart.push(ofWorkers.filter((steps) => steps.some((one) => one.step === step.step)).length)
      const ofWorker = ofWorkers[places.get(step.worker)!]?.find((one) => one.step === step.step)
      const sections = ofWorker && sectionsOf(step, ofWorker)
      // Negative: the worker had another lease of the same step, whose times these are.
      if (sections === undefined || Object.values(sections).some((ms) => ms < 0)) continue
      this.timelines.push(sections)
      this.busy.push(step.busy)
    }
    return seconds
  }

  /** Of the weights after the steps so far. */
  weightsSha256(): string {
    return weightsSha256(this.#coordinator!.weights())
  }

  async close(): Promise<void> {
    this.#abort.abort(new ConvoyError('interrupted', 'the benchmark is over'))
    await this.#ended
    await Promise.all([this.#coordinator?.close(), this.#workers?.close()])
    rmSync(this.#directory, { recursive: true, force: true })
  }

  async #start(): Promise<void> {
    const { workers, path: vectorPath, waitMs } = this.#options
    const coordinator = await this.#startCoordinator()
    this.#coordinator = coordinator
    this.#workers = new ExchangeWorkers(coordinator.address, workers, vectorPath, waitMs, (name) => {
      this.#abort.abort(new ConvoyError('environment', `${name} ended; its last lines are above`))
    })
    this.#ended = coordinator.train().catch((error: unknown) => {
      this.#gate.fail(ConvoyError.from(error))
    })
    await this.#allReady()
  }

  async #startCoordinator(): Promise<Coordinator> {
    const { run, workers } = this.#options
    return Coordinator.start({
      ...{ run, listen: '127.0.0.1:0', adminListen: '127.0.0.1:0', insecure: false, maxWorkers: workers },
      ...{ allowMixedDevices: false, auditEvery: 0, workerLogLevel: 'warn', signal: this.#abort.signal },
      runDirectory: this.#directory,
      observer: (event) => {
        if (event.kind !== 'step') return
        this.#recorder.stepped(event)
        this.#gate.stepped()
      },
      log: new Log({
        levels: parseLogLevels('warn'),
        sinks: [(record) => standardError.printLine(readableLine(record))],
        now: Date.now,
      }),
      hooks: { beforeStep: async () => this.#gate.open(this.#abort.signal) },
    })
  }

  /** Otherwise the first steps would be those of fewer workers. */
  async #allReady(): Promise<void> {
    while (this.#coordinator!.workerCount < this.#options.workers) {
      this.#abort.signal.throwIfAborted()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}
