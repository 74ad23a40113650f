import { setImmediate as settlePromises } from 'node:timers/promises'
import { DEFAULT_LIMITS } from '../scheduler/limits.js'
import { ConvoyError } from '../shared/errors.js'
import type { ClusterScenario } from './cluster-scenario.js'
import type { PathCosts } from './exchange-costs.js'
import { SeededDraws } from './seeded-draws.js'
import type { ComputeEvents, SimulatedComputer } from './simulated-compute-thread.js'
import { SimulatedCoordinator } from './simulated-coordinator.js'
import { SimulatedLink } from './simulated-link.js'
import { SimulatedRelay } from './simulated-relay.js'
import { SimulatedResource } from './simulated-resource.js'
import type { SimulatedServer } from './simulated-server.js'
import { SimulatedWorker } from './simulated-worker.js'
import { TinyProblem } from './tiny-problem.js'
import type { MachineLink } from './vector-path.js'
import { VectorPath } from './vector-path.js'
import { VirtualTime } from './virtual-time.js'

const MS_PER_HOUR = 3_600_000
/** Members join one after the other: a coordinator admits only so many at the same time. */
const JOIN_EVERY_MS = 1
/** Relays join when their workers are there. */
const RELAYS_BOOT_MS = 1_000

/** Workers that fail close their connections, and none falls silent: few heartbeats are enough, and save most of the time. */
const HEARTBEAT_MS = 30_000

/** How a worker or relay reaches what it joins. */
interface Place {
  readonly server: SimulatedServer
  readonly path: VectorPath
  readonly latencyMs: number
}

/**
 * Runs the steps of a job on a cluster.
 * @returns milliseconds of each step
 * @throws ConvoyError('training') when the failures let no step through
 */
export async function runCluster(scenario: ClusterScenario): Promise<number[]> {
  return new SimulatedCluster(scenario).run()
}

class SimulatedCluster {
  readonly #scenario: ClusterScenario
  readonly #time = new VirtualTime()
  readonly #problem: TinyProblem
  readonly #thread: SimulatedResource
  readonly #link: MachineLink | undefined
  readonly #durationsMs: number[] = []
  readonly #coordinator: SimulatedCoordinator
  readonly #relays: SimulatedRelay[] = []
  /** Workers and relays so far. */
  #members = 0
  /** Promises of relays were resolved: what waits for them has to run before the next event. */
  #wasPromised = false

  constructor(scenario: ClusterScenario) {
    const { shards, steps, link } = scenario
    this.#scenario = scenario
    // No epoch ends: nothing is validated.
    this.#problem = new TinyProblem(shards, steps, 'float32', 2 * shards * (steps + 1))
    this.#thread = new SimulatedResource(this.#time)
    this.#link = link && {
      ...{ up: new SimulatedResource(this.#time), down: new SimulatedResource(this.#time) },
      ...{ latencyMs: link.latencyMs, bytesPerMs: link.bandwidth / 1000 },
    }
    this.#coordinator = this.#newCoordinator()
  }

  async run(): Promise<number[]> {
    const { workers, relays, exchange, steps } = this.#scenario
    const costs = this.#link ? exchange.network : exchange.memory
    if (relays > 0) for (let first = 0; first < workers; first += relays) this.#startBox(first, costs)
    else for (let index = 0; index < workers; index++) this.#startWorker(index, this.#placeAt(this.#coordinator, costs))
    let failure: unknown
    let isOver = false
    this.#coordinator.train().then(
      () => (isOver = true),
      (error: unknown) => (failure = error),
    )
    // Evaluation after the last step does not matter here.
    while (!isOver && failure === undefined && this.#durationsMs.length < steps) {
      if (!this.#time.next()) throw new ConvoyError('internal', 'nothing can happen any more in the simulation')
      if (!this.#wasPromised && this.#coordinator.isBusy) continue
      this.#wasPromised = false
      await settlePromises()
    }
    this.#coordinator.kill()
    if (failure !== undefined) throw ConvoyError.from(failure)
    return this.#durationsMs
  }

  #newCoordinator(): SimulatedCoordinator {
    const { workers, relays, betweenStepsMs } = this.#scenario
    const members = relays > 0 ? Math.ceil(workers / relays) : workers
    const wait = async (ms: number): Promise<void> =>
      new Promise((resolve) => {
        this.#time.after(ms, resolve)
      })
    const coordinator: SimulatedCoordinator = new SimulatedCoordinator({
      ...{ time: this.#time, description: this.#problem.description, split: this.#problem.split },
      ...{ limits: { ...DEFAULT_LIMITS, heartbeatMs: HEARTBEAT_MS }, auditEvery: 0, tickMs: HEARTBEAT_MS },
      observer: (event) => {
        if (event.kind === 'step') this.#durationsMs.push(event.durationMs + betweenStepsMs)
      },
      hooks: {
        beforeStep: async () => {
          await wait(betweenStepsMs)
          while (coordinator.pool.workerCount < members && this.#durationsMs.length === 0) await wait(100)
        },
      },
    })
    return coordinator
  }

  /** A relay and its workers. @param first of the workers */
  #startBox(first: number, costs: PathCosts): void {
    const { workers, relays, exchange } = this.#scenario
    const thread = new SimulatedResource(this.#time)
    const relay = new SimulatedRelay({
      ...{ time: this.#time, description: this.#problem.description, thread },
      ...{ copyMs: exchange.copyMs, heartbeatMs: HEARTBEAT_MS },
      onPromise: () => {
        this.#wasPromised = true
      },
    })
    this.#relays.push(relay)
    const place = { server: relay, path: this.#path(thread, undefined, exchange.memory), latencyMs: 0 }
    for (let index = first; index < Math.min(workers, first + relays); index++) this.#startWorker(index, place)
    const bootMs = RELAYS_BOOT_MS + JOIN_EVERY_MS * this.#relays.length
    const above = this.#placeAt(this.#coordinator, costs)
    this.#member(`relay-${this.#relays.length}`, bootMs, above, (events) => relay.listen(events)).start()
  }

  #startWorker(index: number, place: Place): void {
    const { seed, failuresPerWorkerHour } = this.#scenario
    const worker = this.#member(`worker-${index}`, JOIN_EVERY_MS * (1 + index), place)
    worker.start()
    if (failuresPerWorkerHour > 0) this.#failNowAndThen(worker, new SeededDraws(seed, 1_000_000 + index))
  }

  #member(
    name: string,
    bootMs: number,
    { server, path, latencyMs }: Place,
    computer?: (events: ComputeEvents) => SimulatedComputer,
  ): SimulatedWorker {
    const { seed, shardMs, jitter, vectorBytes, cores, workers } = this.#scenario
    const draws = new SeededDraws(seed, ++this.#members)
    const traits = { latencyMs, jitterMs: 0, bytesPerMs: Infinity, loss: 0, duplication: 0, reorder: 0 }
    return new SimulatedWorker(
      { name, bootMs, syncMs: 1, shardMs, jitter, flaw: 'none' },
      {
        ...{ time: this.#time, draws, link: new SimulatedLink(this.#time, draws, traits), problem: this.#problem },
        ...{ vectorBytes, heartbeatMs: HEARTBEAT_MS, path, ...(computer && { computer }) },
        coordinator: () => server,
        crowding: () => (workers > cores ? Math.max(1, this.#computing / cores) : 1),
      },
    )
  }

  /** Workers with a lease. */
  get #computing(): number {
    const servers = this.#relays.length > 0 ? this.#relays : [this.#coordinator]
    return servers.reduce((sum, { pool }) => sum + pool.leases.length, 0)
  }

  #placeAt(server: SimulatedServer, costs: PathCosts): Place {
    return { server, path: this.#path(this.#thread, this.#link, costs), latencyMs: this.#link?.latencyMs ?? 0 }
  }

  #path(thread: SimulatedResource, link: MachineLink | undefined, costs: PathCosts): VectorPath {
    const { vectorBytes: bytes, resultMs } = this.#scenario
    return new VectorPath({ time: this.#time, thread, link, costs, bytes, resultMs })
  }

  /** Exponentially distributed intervals: failures that do not know of each other. */
  #failNowAndThen(worker: SimulatedWorker, draws: SeededDraws): void {
    const { failuresPerWorkerHour, restartMs } = this.#scenario
    this.#time.after((-Math.log(1 - draws.unit()) * MS_PER_HOUR) / failuresPerWorkerHour, () => {
      worker.kill()
      this.#time.after(restartMs, () => {
        worker.start()
        this.#failNowAndThen(worker, draws)
      })
    })
  }
}
