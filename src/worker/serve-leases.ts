import { setImmediate as yieldToMessages } from 'node:timers/promises'
import type { SplitName } from '../data/dataset.js'
import type { Engine } from '../tensorflow/engine/engine.js'
import { PhaseTimes } from '../metrics/phases.js'
import { longestResult } from '../model/longest-result.js'
import { roundedCount } from '../model/rounded-count.js'
import type { RunDescription } from '../model/run-description.js'
import { ConvoyError } from '../shared/errors.js'
import type { LeaseMessage } from '../shared/protocol/messages.js'
import { shortageIn } from '../shared/own-shortage.js'
import { ReductionTree } from '../shared/reduction-tree.js'
import type { ToLocalWorker } from '../shared/protocol/local-messages.js'
import { SharedFiles } from '../shared/shared-files.js'
import type { FromCompute, ToCompute } from './compute-messages.js'
import { markLease } from './lease-marks.js'
import type { LocalConnection } from './local-connection.js'
import { connectLocally } from './local-connection.js'
import type { ShardComputer } from './shard-computer.js'
import { SharedResult } from './shared-result.js'
import { SharedWeights } from './shared-weights.js'
import { OUTDATED, WorkerLeases } from './worker-leases.js'

/** What computes the shards of a run, on the thread that serves the leases. */
export interface OpenedComputer {
  readonly engine: Pick<Engine, 'setWeights' | 'tensorCount' | 'tensorBytes' | 'close'>
  readonly computer: Pick<ShardComputer, 'gradient' | 'evaluate'>
}

/** Opens the computer of a run. @param times what each phase takes is recorded there */
export type OpenComputer = (description: RunDescription, times: PhaseTimes) => Promise<OpenedComputer>

/** The other end of the thread: the thread that started it. */
export interface ComputePort {
  on(event: 'message', listener: (message: ToCompute) => void): unknown
  postMessage(message: FromCompute, transfer: readonly ArrayBuffer[]): void
}

/** Time between two reports of progress. Sending one takes longer than computing a small shard. */
const REPORT_EVERY_MS = 20

/**
 * Serves the messages of a compute thread: prepares for runs, takes weights and leases, computes, sums and delivers.
 * @param open opens what computes; its error ends the thread, and the main thread logs it
 */
export function serveLeases(port: ComputePort, open: OpenComputer): void {
  const server = new LeaseServer(port, open)
  port.on('message', (message) => {
    server.receive(message)
  })
}

class LeaseServer {
  readonly #port: ComputePort
  readonly #open: OpenComputer
  readonly #leases = new WorkerLeases()
  #opened: (OpenedComputer & { readonly description: RunDescription }) | undefined
  /** Where leases come from and results are announced, if vectors lie in shared files. */
  #local: LocalConnection | undefined
  /** Where vectors lie that the coordinator on this machine shares; undefined: they travel over the network. */
  #shared: { readonly weights: SharedWeights; readonly result: SharedResult } | undefined
  #shardsDone = 0
  #reportedMs = -Infinity
  #reportTimer: NodeJS.Timeout | undefined
  #times = new PhaseTimes()
  /** When the last lease was over. */
  #idleSinceMs: number | undefined

  constructor(port: ComputePort, open: OpenComputer) {
    this.#port = port
    this.#open = open
  }

  receive(message: ToCompute): void {
    switch (message.kind) {
      case 'prepare':
        this.#prepare(message).catch((error: unknown) => {
          // Ends the thread; the main thread gets the error and logs it.
          setImmediate(() => {
            throw error
          })
        })
        break
      case 'weights':
        this.#takeWeights(message.version, message.weights)
        if (!this.#shared)
          this.#post({ kind: 'want-weights', haveVersion: message.version, spare: message.weights }, [
            message.weights.buffer,
          ])
        this.#startWaitingLease()
        break
      case 'lease':
        this.#takeLease(message.lease)
        break
      case 'revoke':
        this.#leases.revoke(message.lease)
        break
    }
  }

  #post(message: FromCompute, transfer: ArrayBuffer[] = []): void {
    this.#port.postMessage(message, transfer)
  }

  #takeLease(lease: LeaseMessage): void {
    markLease('came', lease.step)
    if (this.#leases.take(lease)) this.#takeSharedWeights(lease.weightsVersion)
    this.#startWaitingLease()
  }

  readonly #receiveLocally = ({ lease, revoke, refused }: ToLocalWorker): void => {
    if (lease) this.#takeLease(lease)
    else if (revoke) this.#leases.revoke(revoke.lease)
    else if (refused) this.#post({ kind: 'refused', refusal: refused })
  }

  async #prepare(message: Extract<ToCompute, { kind: 'prepare' }>): Promise<void> {
    const { description, worker, session, sharedFiles } = message
    const { model } = description
    this.#local?.close()
    this.#local = undefined
    clearTimeout(this.#reportTimer)
    this.#reportTimer = undefined
    this.#opened?.engine.close()
    // A file of the last membership would stay until the run is over.
    this.#shared?.result.remove()
    this.#shared = undefined
    this.#leases.reset()
    this.#times = new PhaseTimes()
    this.#idleSinceMs = undefined
    this.#opened = { ...(await this.#open(description, this.#times)), description }
    let sharingProblem: string | undefined
    const files =
      sharedFiles &&
      SharedFiles.open(sharedFiles, (why) => {
        sharingProblem = why
      })
    this.#local = files && (await connectLocally(files.socket, { worker, session }, this.#receiveLocally))
    this.#shared = files && {
      weights: new SharedWeights(files, model.layout.weightCount),
      result: new SharedResult(files, worker, longestResult(model)),
    }
    this.#post({ kind: 'prepared', shared: files !== undefined, ...(sharingProblem && { sharingProblem }) })
  }

  /** Sends a result: through a shared file if it can be written, else over the network. */
  #deliver({ lease, step }: LeaseMessage, vector: Float32Array<ArrayBuffer>, rounded: number): void {
    const bytes = vector.byteLength
    let sharingProblem: string | undefined
    const keep = (why: string): void => {
      sharingProblem = why
    }
    const isShared = this.#shared?.result.write(vector, keep)
    markLease('delivered', step)
    if (isShared && this.#local) this.#announce(this.#local, lease)
    else if (isShared) this.#post({ kind: 'result', lease, bytes })
    else {
      const result = { kind: 'result', lease, bytes, vector, rounded } as const
      this.#post({ ...result, ...(sharingProblem && { sharingProblem }) }, [vector.buffer])
    }
  }

  #announce(coordinator: LocalConnection, lease: number): void {
    const startedMs = performance.now()
    coordinator.send({ result: { lease } })
    this.#times.record('send', (performance.now() - startedMs) / 1000)
  }

  #takeWeights(version: number, weights: Float32Array): void {
    if (this.#leases.takeWeights(version)) this.#opened!.engine.setWeights(weights)
  }

  /** The weights of a lease, where they lie in a shared file; otherwise asks for them. */
  #takeSharedWeights(version: number): void {
    const weights = this.#shared?.weights.at(version)
    if (weights) this.#takeWeights(version, weights)
    else if (this.#shared) this.#post({ kind: 'want-weights', haveVersion: version - 1 })
  }

  /** Computes a lease's shards one by one, summed in the reduction order, unless it is revoked on the way. */
  async #compute(lease: LeaseMessage): Promise<void> {
    const { computer, description } = this.#opened!
    const rounded = roundedCount(lease.work, description)
    if (this.#idleSinceMs !== undefined) this.#times.record('wait', (performance.now() - this.#idleSinceMs) / 1000)
    try {
      const tree = new ReductionTree(lease.shardCount, rounded)
      for (let index = 0; index < lease.shardCount; index++) {
        const shard = lease.firstShard + index
        const vector =
          lease.work === 'WORK_GRADIENT'
            ? computer.gradient(lease.step, shard)
            : computer.evaluate(lease.split as SplitName, shard)
        const computedMs = performance.now()
        const sum = tree.addShard(index, vector)
        if (sum !== undefined) this.#deliver(lease, sum, rounded)
        this.#times.record('encode', (performance.now() - computedMs) / 1000)
        this.#shardsDone++
        this.#reportSoon()
        await yieldToMessages()
        const state = this.#leases.stateOf(lease)
        if (state === 'revoked') return
        if (state === 'outdated') throw new ConvoyError('internal', OUTDATED)
      }
    } catch (error) {
      const { message } = ConvoyError.from(error)
      const lacking = shortageIn(message)
      // The shortage comes first: the text may be shortened at its end.
      const reason = lacking ? `the worker lacks ${lacking.of} (${lacking.remedy}): ${message}` : message
      this.#post({ kind: 'failed', lease: lease.lease, reason })
    } finally {
      this.#idleSinceMs = performance.now()
      this.#reportSoon()
    }
  }

  #reportSoon(): void {
    if (performance.now() - this.#reportedMs >= REPORT_EVERY_MS) this.#report()
    else this.#reportTimer ??= setTimeout(this.#report, REPORT_EVERY_MS)
  }

  readonly #report = (): void => {
    clearTimeout(this.#reportTimer)
    this.#reportTimer = undefined
    this.#reportedMs = performance.now()
    const { engine } = this.#opened!
    const [tensors, tensorBytes] = [engine.tensorCount(), engine.tensorBytes()]
    this.#post({ kind: 'progress', shardsDone: this.#shardsDone, tensors, tensorBytes, phases: this.#times.report() })
  }

  /** Starts the lease that waits, once its weights are there. */
  #startWaitingLease(): void {
    const started = this.#leases.start()
    if (started === undefined) return
    const { lease, state } = started
    if (state === 'outdated') this.#post({ kind: 'failed', lease: lease.lease, reason: OUTDATED })
    else void this.#compute(lease)
  }
}
