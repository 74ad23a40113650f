import { WorkerPool } from '../coordinator/worker-pool.js'
import type { RunDescription } from '../model/run-description.js'
import { RelayComputer } from '../relay/relay-computer.js'
import { RELAY_LIMITS } from '../relay/relay-limits.js'
import type { LeaseMessage } from '../shared/protocol/messages.js'
import type { ComputeEvents, SimulatedComputer } from './simulated-compute-thread.js'
import type { SimulatedResource } from './simulated-resource.js'
import type { SimulatedServer } from './simulated-server.js'
import { RecordedWeights, wakeTimer } from './simulated-server.js'
import type { VirtualTime } from './virtual-time.js'

export interface SimulatedRelayOptions {
  readonly time: VirtualTime
  readonly description: RunDescription
  readonly thread: SimulatedResource
  /** Copying a vector: weights for its workers, and the sum before it is sent. */
  readonly copyMs: number
  readonly heartbeatMs: number
  /** Promises were resolved: what waits for them has to run before the next event. */
  readonly onPromise: () => void
}

/** Read by nothing that computes leases. */
const MEMBERSHIP = { worker: 1, session: '' }

/** A relay in virtual time, with the real {@link RelayComputer}, pool and scheduler: a server to its workers, and what computes above. */
export class SimulatedRelay implements SimulatedServer, SimulatedComputer {
  readonly pool: WorkerPool
  slowness = 1
  readonly #options: SimulatedRelayOptions
  readonly #weights = new RecordedWeights()
  readonly #computer: RelayComputer
  #events: ComputeEvents | undefined
  /** Of the coordinator: asked for, and perhaps there. */
  #weightsVersion = 0

  constructor(options: SimulatedRelayOptions) {
    const { time } = options
    this.#options = options
    this.pool = new WorkerPool({
      ...{ maxWorkers: 4096, limits: { ...RELAY_LIMITS, heartbeatMs: options.heartbeatMs } },
      ...{ auditEvery: 0, allowMixedDevices: true, now: () => time.nowMs },
      observer: () => undefined,
      onEffect: ({ kind }) => {
        if (kind === 'done' || kind === 'give-up') options.onPromise()
      },
      wakeAt: wakeTimer(time, () => {
        this.pool.tick()
      }),
    })
    this.#computer = new RelayComputer(this.pool, this.#weights, () => undefined)
    const tick = (): void => {
      this.pool.tick()
      time.after(options.heartbeatMs, tick)
    }
    tick()
  }

  get publishedWeights(): SimulatedServer['publishedWeights'] {
    return this.#weights.published
  }

  get shardsDone(): number {
    return this.pool.workers().reduce((sum, { shardsDone }) => sum + shardsDone, 0)
  }

  /** For its heartbeats. */
  get workers(): number {
    return this.pool.workerCount
  }

  /** Sets who gets results. */
  listen(events: ComputeEvents): this {
    this.#events = events
    return this
  }

  deliver(run: () => void): void {
    run()
  }

  start(): void {
    this.reset()
  }

  /** A membership begins or ends. */
  reset(): void {
    const { description, onPromise } = this.#options
    this.#weightsVersion = 0
    this.#computer.listen()
    this.#computer.listen({
      onMessage: (message) => {
        if (message.kind === 'result') this.#onSum(message.lease, message.vector!.slice())
        else if (message.kind === 'failed') this.#events!.onFailed(message.lease, message.reason)
      },
      onBroken: () => undefined,
    })
    // The workers are there when it joins.
    this.#computer.prepare({ description, ...MEMBERSHIP, sharedFiles: undefined }).catch(() => undefined)
    onPromise()
  }

  take(lease: LeaseMessage): void {
    this.#computer.send({ kind: 'lease', lease })
    this.#options.onPromise()
    if (lease.weightsVersion <= this.#weightsVersion) return
    this.#weightsVersion = lease.weightsVersion
    this.#events!.requestWeights()
  }

  revoke(lease: number): void {
    this.#computer.send({ kind: 'revoke', lease })
    this.#options.onPromise()
  }

  takeWeights(version: number, values: Float32Array): void {
    const { thread, copyMs, onPromise } = this.#options
    thread.use(copyMs, () => {
      this.#computer.send({ kind: 'weights', version, weights: values.slice() })
      onPromise()
    })
  }

  #onSum(lease: number, sum: Float32Array<ArrayBuffer>): void {
    const { thread, copyMs } = this.#options
    thread.use(copyMs, () => {
      this.#events!.onResult(lease, sum)
    })
  }
}
