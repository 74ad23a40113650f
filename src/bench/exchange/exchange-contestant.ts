import { ConvoyError } from '../../shared/errors.js'
import type { Wire } from '../../model/config/run-config.js'
import type { Link } from '../link/link.js'
import type { CoordinatorFacts } from './coordinator-process.js'
import { CoordinatorProcess } from './coordinator-process.js'
import { ExchangeRelays } from './exchange-relays.js'
import type { BusyTimes } from './step-recorder.js'
import type { ExchangeOptimizer } from './synthetic-run.js'
import type { Timeline } from './timeline.js'
import { sectionsOf } from './timeline.js'
import type { VectorPath } from './worker-processes.js'
import { ExchangeWorkers, placeOf } from './worker-processes.js'

export interface ExchangeContestantOptions {
  /** Of the model. */
  readonly weights: number
  /** Of a step. */
  readonly shards: number
  readonly optimizer: ExchangeOptimizer
  readonly workers: number
  /** The workers are spread over so many relays, and exchange vectors with them through memory; 0: they join the coordinator. */
  readonly relays: number
  readonly path: VectorPath
  readonly wire: Wire
  /** Between the coordinator and what joins it; undefined: none. */
  readonly link: Link | undefined
  /** Of a shard, see syntheticComputer. */
  readonly waitMs: number
}

/** A coordinator in a process of its own, with worker processes that compute nothing. Between turns no lease is given. */
export class ExchangeContestant {
  readonly #options: ExchangeContestantOptions
  readonly #abort = new AbortController()
  /** Of the steps since the start, but for those in which the slowest worker had several leases, and none behind relays. */
  readonly timelines: Timeline[] = []
  /** Of the same steps. */
  readonly busy: BusyTimes[] = []
  /** Of every step since the start: workers that had a lease. */
  readonly takingPart: number[] = []
  #steps = 0
  #coordinator: CoordinatorProcess | undefined
  #relays: ExchangeRelays | undefined
  #workers: ExchangeWorkers | undefined

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
    const { seconds, recorded, names } = await this.#coordinator!.steps(count)
    const ofWorkers = await this.#workers!.steps({ first: this.#steps, count })
    const places = new Map(names.map(([id, name]) => [id, placeOf(name)]))
    this.#steps += count
    for (const step of recorded) {
      this.takingPart.push(ofWorkers.filter((steps) => steps.some((one) => one.step === step.step)).length)
      if (this.#relays) continue
      const ofWorker = ofWorkers[places.get(step.worker)!]?.find((one) => one.step === step.step)
      const sections = ofWorker && sectionsOf(step, ofWorker)
      // Negative: the worker had another lease of the same step, whose times these are.
      if (sections === undefined || Object.values(sections).some((ms) => ms < 0)) continue
      this.timelines.push(sections)
      this.busy.push(step.busy)
    }
    return seconds
  }

  /** After the steps so far. */
  async facts(): Promise<CoordinatorFacts> {
    return this.#coordinator!.facts()
  }

  async close(): Promise<void> {
    this.#abort.abort(new ConvoyError('interrupted', 'the benchmark is over'))
    this.#workers?.closing()
    await this.#coordinator?.close()
    await Promise.all([this.#workers?.close(), this.#relays?.close()])
  }

  async #start(): Promise<void> {
    const { weights, shards, optimizer, wire, workers, relays, path, link, waitMs } = this.#options
    const ended = (name: string): void => {
      this.#abort.abort(new ConvoyError('environment', `${name} ended; its last lines are above`))
    }
    this.#coordinator = await CoordinatorProcess.start({ weights, shards, optimizer, wire, maxWorkers: workers })
    const { address } = this.#coordinator
    const reached = link ? await link.to(address) : address
    if (relays > 0) this.#relays = await ExchangeRelays.start(reached, relays, workers)
    const addresses = this.#relays?.addresses ?? [reached]
    this.#workers = new ExchangeWorkers({
      ...{ count: workers, waitMs, onEnded: ended, path: relays > 0 ? 'memory' : path },
      addressOf: (index) => addresses[index % addresses.length]!,
    })
    await this.#allReady()
  }

  /** Otherwise the first steps would be those of fewer workers. */
  async #allReady(): Promise<void> {
    await this.#coordinator!.untilReady(this.#options.relays || this.#options.workers, this.#abort.signal)
    await this.#workers!.untilReady(this.#abort.signal)
  }
}
