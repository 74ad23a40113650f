import type { SplitName } from '../data/dataset.js'
import { describeShards, vectorOf } from '../coordinator/describe-work.js'
import type { PoolTask } from '../coordinator/pool-task.js'
import type { WeightsStore } from '../coordinator/weights-store.js'
import type { WorkerPool } from '../coordinator/worker-pool.js'
import { roundedCount } from '../model/rounded-count.js'
import type { RunDescription } from '../model/run-description.js'
import { Deferred } from '../shared/deferred.js'
import { ConvoyError } from '../shared/errors.js'
import type { LeaseMessage } from '../shared/protocol/messages.js'
import type { ToCompute } from '../worker/compute-messages.js'
import type { Computer, ComputeListener } from '../worker/computer.js'
import { DEAF } from '../worker/computer.js'
import { OUTDATED, WorkerLeases } from '../worker/worker-leases.js'
import { RelayProgress } from './relay-progress.js'

/** A membership as the relay computes for it. */
interface Prepared {
  readonly description: RunDescription
  readonly progress: RelayProgress
}

/** Aborts a lease that is no longer wanted. */
const NOT_WANTED = new ConvoyError('interrupted', 'The lease is not wanted any more.')

/**
 * Computes the leases of a relay: the shards of the block go to the workers of the relay, whose results are added in the same order as
 * everywhere. Weights are passed on to them as soon as they come.
 */
export class RelayComputer implements Computer {
  readonly isHere = false
  readonly #pool: WorkerPool
  readonly #weights: WeightsStore
  readonly #onRun: (description: RunDescription) => void
  readonly #leases = new WorkerLeases()
  #listener = DEAF
  #prepared: Prepared | undefined
  #ready = new Deferred<void>()
  /** What the workers call the newest weights: their versions go on where those of the coordinator begin anew. */
  #weightsVersion = 0
  #running: { readonly lease: LeaseMessage; readonly abort: AbortController } | undefined
  /** Settles when the pool has no task. */
  #idle: Promise<unknown> = Promise.resolve()

  /** @param onRun called when the data set of a run is there, before its workers are waited for */
  constructor(pool: WorkerPool, weights: WeightsStore, onRun: (description: RunDescription) => void) {
    this.#pool = pool
    this.#weights = weights
    this.#onRun = onRun
  }

  /** Waits until a worker of the relay is ready. @throws ConvoyError('interrupted') when the membership is over before */
  async prepare({ description }: Parameters<Computer['prepare']>[0]): ReturnType<Computer['prepare']> {
    const { weightCount } = description.model.layout
    this.#leases.reset()
    this.#prepared = { description, progress: new RelayProgress(this.#pool) }
    // Workers ask for weights when they join; those of another run would not fit.
    if (![0, weightCount].includes(this.#weights.weights.length)) this.#publish(new Float32Array(weightCount))
    this.#ready = new Deferred()
    this.#onRun(description)
    if (this.#pool.workerCount > 0) this.workerReady()
    await this.#ready.promise
    return { shared: false }
  }

  /** A worker of the relay can compute. */
  workerReady(): void {
    this.#ready.resolve()
  }

  /** Ends the membership: the relay cannot compute. */
  break(error: ConvoyError): void {
    this.#listener.onBroken(error)
  }

  send(message: ToCompute): void {
    switch (message.kind) {
      case 'prepare':
        throw new ConvoyError('internal', 'A relay is prepared by its method.')
      case 'weights':
        this.#takeWeights(message.version, message.weights)
        break
      case 'lease':
        this.#leases.take(message.lease)
        this.#startWaitingLease()
        break
      case 'revoke':
        this.#leases.revoke(message.lease)
        this.#abortUnwanted()
        break
    }
  }

  listen(listener: ComputeListener = DEAF): void {
    this.#listener = listener
    if (listener !== DEAF) return
    this.#leases.reset()
    this.#abortUnwanted()
    this.#ready.reject(NOT_WANTED)
  }

  /** Reports how far the workers are. Call a few times per second. */
  report(): void {
    if (this.#prepared) this.#listener.onMessage({ kind: 'progress', ...this.#prepared.progress.now() })
  }

  #takeWeights(version: number, weights: Float32Array): void {
    if (this.#leases.takeWeights(version)) {
      // Its workers would compute with the new weights.
      this.#abortUnwanted()
      this.#publish(weights)
    }
    this.#listener.onMessage({ kind: 'want-weights', haveVersion: version })
    this.#startWaitingLease()
  }

  #publish(weights: Float32Array): void {
    this.#weightsVersion = this.#weights.publish(weights)
  }

  #startWaitingLease(): void {
    const started = this.#leases.start()
    if (started === undefined) return
    const { lease, state } = started
    if (state === 'outdated') this.#failed(lease, OUTDATED)
    else void this.#compute(lease)
  }

  /** Lets the workers stop with the lease in work, unless it is still wanted. */
  #abortUnwanted(): void {
    if (this.#running === undefined) return
    const { lease, abort } = this.#running
    const state = this.#leases.stateOf(lease)
    if (state === 'current') return
    this.#running = undefined
    abort.abort(NOT_WANTED)
    if (state === 'outdated') this.#failed(lease, OUTDATED)
  }

  async #compute(lease: LeaseMessage): Promise<void> {
    // A lease that takes the place of another.
    this.#abortUnwanted()
    const abort = new AbortController()
    this.#running = { lease, abort }
    try {
      const sum = await this.#sum(lease, abort.signal)
      if (abort.signal.aborted) return
      this.#running = undefined
      // The vector may wait for its turn to be sent: it must not be in memory that a worker writes over.
      const vector = this.#pool.vectors.own(sum)
      const rounded = roundedCount(lease.work, this.#prepared!.description)
      this.#listener.onMessage({ kind: 'result', lease: lease.lease, bytes: vector.byteLength, vector, rounded })
    } catch (error) {
      if (abort.signal.aborted) return
      this.#running = undefined
      this.#failed(lease, ConvoyError.from(error).message)
    }
  }

  /** The pool has one task at a time. */
  async #sum(lease: LeaseMessage, signal: AbortSignal): Promise<Float32Array> {
    const before = this.#idle
    const sum = (async () => {
      await before
      return this.#pool.compute(this.#task(lease), signal)
    })()
    this.#idle = sum.catch(() => undefined)
    return sum
  }

  #task({ work, step, split, firstShard, shardCount }: LeaseMessage): PoolTask {
    const { description } = this.#prepared!
    const what = work === 'WORK_GRADIENT' ? `Step ${step + 1}` : `The evaluation on ${split}`
    return {
      ...{ work, step, split: split as SplitName, shards: shardCount, firstShard },
      ...vectorOf(work, description),
      weightsVersion: this.#weightsVersion,
      ...(work === 'WORK_GRADIENT' && { trainingSamples: description.config.shardSize }),
      describeShards: (first, count) => `${what}, ${describeShards(firstShard + first, count)}`,
    }
  }

  #failed({ lease }: LeaseMessage, reason: string): void {
    this.#listener.onMessage({ kind: 'failed', lease, reason })
  }
}
