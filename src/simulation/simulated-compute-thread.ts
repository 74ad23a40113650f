import type { SplitName } from '../data/dataset.js'
import type { LeaseMessage } from '../shared/protocol/messages.js'
import { ReductionTree } from '../shared/reduction-tree.js'
import type { ShardFunctions } from '../training/plain-gradient-source.js'
import { OUTDATED, WorkerLeases } from '../worker/worker-leases.js'
import type { SeededDraws } from './seeded-draws.js'
import type { SimulatedProcess } from './simulated-process.js'
import type { VirtualTime } from './virtual-time.js'

/** Speed and faults of a simulated worker. */
export interface WorkerTraits {
  readonly name: string
  /** From start to the first join: loading TensorFlow. */
  readonly bootMs: number
  /** From the control stream to ready. */
  readonly syncMs: number
  /** For one shard, while nothing slows it down. */
  readonly shardMs: number
  /** Relative spread of {@link shardMs}. */
  readonly jitter: number
  /**
   * - crash: its process dies on every lease
   * - nan: every value that it returns is NaN
   * - flip: a bit of what it returns is wrong
   * - refuse: it reports every lease as failed
   */
  readonly flaw: 'none' | 'crash' | 'nan' | 'flip' | 'refuse'
}

/** What a simulated worker gets from what computes for it. */
export interface ComputeEvents {
  readonly requestWeights: () => void
  readonly onResult: (lease: number, sum: Float32Array<ArrayBuffer>) => void
  readonly onFailed: (lease: number, reason: string) => void
}

/** What computes the leases of a simulated worker: a thread, or the workers of a relay. */
export interface SimulatedComputer {
  readonly shardsDone: number
  /** Of a relay. */
  readonly workers?: number
  /** Times slower than its traits. */
  slowness: number
  /** The process starts. */
  start(): void
  /** A membership begins or ends: leases of the one before are void. */
  reset(): void
  take(lease: LeaseMessage): void
  revoke(lease: number): void
  takeWeights(version: number, values: Float32Array): void
}

export interface SimulatedComputeThreadOptions extends ComputeEvents {
  readonly traits: WorkerTraits
  readonly process: SimulatedProcess
  readonly time: VirtualTime
  readonly draws: SeededDraws
  readonly problem: ShardFunctions
  /** Factor on the time of a shard when this many other workers of the machine compute too. */
  readonly crowding: () => number
}

/**
 * The compute thread of a worker (serve-leases.ts) in virtual time, with the real {@link WorkerLeases}. A shard that was begun
 * is finished even when its lease is revoked.
 */
export class SimulatedComputeThread implements SimulatedComputer {
  readonly #options: SimulatedComputeThreadOptions
  readonly #leases = new WorkerLeases()
  slowness = 1
  #membership = 0
  #weights: Float32Array = new Float32Array(0)
  #freeMs = 0
  #shardsDone = 0

  constructor(options: SimulatedComputeThreadOptions) {
    this.#options = options
  }

  get shardsDone(): number {
    return this.#shardsDone
  }

  start(): void {
    this.#shardsDone = 0
    this.reset()
  }

  reset(): void {
    this.#membership++
    this.#leases.reset()
  }

  take(lease: LeaseMessage): void {
    if (this.#leases.take(lease)) this.#options.requestWeights()
    this.#startWaiting()
  }

  revoke(lease: number): void {
    this.#leases.revoke(lease)
  }

  takeWeights(version: number, values: Float32Array): void {
    if (this.#leases.takeWeights(version)) this.#weights = values
    this.#startWaiting()
  }

  #startWaiting(): void {
    const started = this.#leases.start()
    if (started === undefined) return
    const { lease, state } = started
    if (state === 'outdated') this.#options.onFailed(lease.lease, OUTDATED)
    else {
      const rounded = lease.work === 'WORK_GRADIENT' ? this.#options.problem.rounded : 0
      this.#compute(lease, 0, new ReductionTree(lease.shardCount, rounded))
    }
  }

  #compute(lease: LeaseMessage, index: number, tree: ReductionTree): void {
    const { time, draws, crowding, traits, process, onResult, onFailed } = this.#options
    const { jitter, shardMs } = traits
    const weights = this.#weights
    const tookMs = shardMs * this.slowness * crowding() * (1 + jitter * (2 * draws.unit() - 1))
    this.#freeMs = Math.max(this.#freeMs, time.nowMs) + tookMs
    const membership = this.#membership
    process.after(this.#freeMs - time.nowMs, () => {
      if (membership !== this.#membership) return
      const sum = tree.addShard(index, this.#vectorOf(lease, lease.firstShard + index, weights))
      this.#shardsDone++
      // A finished result is delivered even when the lease was revoked meanwhile.
      if (sum !== undefined) return onResult(lease.lease, sum)
      const state = this.#leases.stateOf(lease)
      if (state === 'current') this.#compute(lease, index + 1, tree)
      else if (state === 'outdated') onFailed(lease.lease, OUTDATED)
    })
  }

  #vectorOf(lease: LeaseMessage, shard: number, weights: Float32Array): Float32Array<ArrayBuffer> {
    const { problem, traits } = this.#options
    const vector =
      lease.work === 'WORK_GRADIENT'
        ? problem.gradient(lease.step, shard, weights)
        : problem.evaluate(lease.split as SplitName, shard, weights)
    if (traits.flaw === 'nan') vector.fill(NaN)
    else if (traits.flaw === 'flip') vector[0] = vector[0]! + 1
    return vector
  }
}
