import type { SplitName } from '../data/dataset.js'
import { ConvoyError } from '../shared/errors.js'
import type { FromCoordinator, FromWorker, LeaseMessage } from '../shared/protocol/messages.js'
import { PROTOCOL_VERSION } from '../shared/protocol/messages.js'
import { ReductionTree } from '../shared/reduction-tree.js'
import type { SeededDraws } from './seeded-draws.js'
import type { SimulatedCoordinator } from './simulated-coordinator.js'
import type { SimulatedLink } from './simulated-link.js'
import { OUTDATED, WorkerLeases } from '../worker/worker-leases.js'
import type { VirtualTime } from './virtual-time.js'

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
   * - refuse: it says that it cannot compute
   */
  readonly flaw: 'none' | 'crash' | 'nan' | 'flip' | 'refuse'
}

/** What computes a shard's vector. */
export interface ShardFunctions {
  gradient(step: number, shard: number, weights: Float32Array): Float32Array<ArrayBuffer>
  evaluate(split: SplitName, shard: number, weights: Float32Array): Float32Array<ArrayBuffer>
}

export interface WorkerSurroundings {
  readonly time: VirtualTime
  readonly draws: SeededDraws
  readonly link: SimulatedLink
  readonly problem: ShardFunctions
  /** Bytes of a vector on the wire. */
  readonly vectorBytes: number
  readonly heartbeatMs: number
  /** The coordinator that listens now. */
  readonly coordinator: () => SimulatedCoordinator | undefined
  /** Time that a shard takes when so many others of this machine compute too. */
  readonly crowding: () => number
}

const STATS = { residentBytes: 1, tensors: 1, tensorBytes: 4, eventLoopDelaySeconds: 0, phases: [] }
const FIRST_RETRY_MS = 100
const MAX_RETRY_MS = 2_000
const JOIN_DEADLINE_MS = 5_000
/** gRPC's keepalive gives up on a dark link after so long. */
const KEEPALIVE_MS = 10_000
const MESSAGE_BYTES = 100
const RESTART_MS = 1_000

/**
 * A worker process: what session.ts and compute-thread-entry.ts do, with time and wire simulated. One thread computes, so a shard
 * that was begun is finished even when its lease is revoked.
 */
export class SimulatedWorker {
  readonly traits: WorkerTraits
  readonly link: SimulatedLink
  readonly #at: WorkerSurroundings
  /** Callbacks of a former life or membership are void. */
  #life = 0
  #membership = 0
  #isAlive = false
  #pausedUntilMs = 0
  /** Times slower than its traits say. */
  slowness = 1
  #id = 0
  /** The process that this worker is a member of; another one may listen by now. */
  #target: SimulatedCoordinator | undefined
  #retryMs = FIRST_RETRY_MS
  #darkSinceMs = Infinity
  readonly #leases = new WorkerLeases()
  #weights: Float32Array = new Float32Array(0)
  #threadFreeMs = 0
  #shardsDone = 0
  #computing = 0

  constructor(traits: WorkerTraits, surroundings: WorkerSurroundings) {
    this.traits = traits
    this.link = surroundings.link
    this.#at = surroundings
  }

  get isComputing(): boolean {
    return this.#isAlive && this.#computing > 0
  }

  start(): void {
    if (this.#isAlive) return
    this.#isAlive = true
    this.#life++
    this.#membership++
    this.#shardsDone = 0
    this.#leases.reset()
    this.#retryMs = FIRST_RETRY_MS
    this.#after(this.traits.bootMs, () => {
      this.#join()
    })
  }

  /** SIGKILL. The kernel closes its connections. */
  kill(): void {
    if (!this.#isAlive) return
    this.#isAlive = false
    this.#life++
    this.#computing = 0
    this.#forget()
    this.#hangUp()
  }

  /** SIGSTOP and, after a while, SIGCONT. */
  pause(forMs: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#at.time.nowMs + forMs)
  }

  /** SIGTERM: finishes what it holds, then goes. */
  leave(): void {
    if (this.#isAlive && this.#id > 0) this.#tell({ leaving: {} })
    else this.kill()
  }

  /** The connection was reset under both sides. */
  cut(): void {
    if (!this.#isAlive || this.#id === 0) return
    this.#hangUp()
    this.#after(1, () => {
      this.#rejoin()
    })
  }

  #join(): void {
    const { link, coordinator } = this.#at
    const target = coordinator()
    const name = this.traits.name
    this.#darkSinceMs = Infinity
    const deadline = this.#whileMember(() => {
      if (this.#id === 0) this.#rejoin()
    })
    this.#at.time.after(JOIN_DEADLINE_MS, deadline)
    if (target === undefined) return this.#rejoin()
    const joined = this.#whileMember((worker: number, heartbeatMs: number) => {
      this.#joined(worker, heartbeatMs, target)
    })
    const refused = this.#whileMember(() => {
      this.#rejoin()
    })
    const device = { kind: 'cpu', name: 'simulated', tensorflowVersion: '0', fingerprint: 'simulated' }
    const request = { protocol: PROTOCOL_VERSION, name, incarnation: `${name} ${this.#life}`, host: name, device }
    link.send('up', 'control', MESSAGE_BYTES, () => {
      target.deliver(() => {
        try {
          const { worker } = target.pool.connections.join(request)
          link.send('down', 'control', MESSAGE_BYTES, () => {
            joined(worker, this.#at.heartbeatMs)
          })
        } catch (error) {
          if (ConvoyError.from(error).code === 'internal') throw error
          link.send('down', 'control', MESSAGE_BYTES, refused)
        }
      })
    })
  }

  #joined(worker: number, heartbeatMs: number, target: SimulatedCoordinator): void {
    // A reply that came twice.
    if (this.#id !== 0) return
    const { link } = this.#at
    this.#id = worker
    this.#target = target
    // As the compute thread does for each membership.
    this.#leases.reset()
    this.#retryMs = FIRST_RETRY_MS
    const receive = this.#whileMember((message: FromCoordinator) => {
      this.#receive(message)
    })
    const dropped = this.#whileMember(() => {
      this.#rejoin()
    })
    link.send('up', 'control', MESSAGE_BYTES, () => {
      target.deliver(() => {
        target.guard(worker, () => {
          target.pool.connections.connect(worker, {
            send: (message) => {
              link.send('down', 'control', MESSAGE_BYTES, () => {
                receive(message)
              })
            },
            drop: () => {
              const wasDark = link.isDark
              link.breakConnection()
              if (!wasDark) this.#at.time.after(1, dropped)
            },
          })
        })
      })
    })
    const beat = this.#whileMember(() => {
      if (target !== this.#at.coordinator()) return this.#rejoin()
      this.#noticeDarkness()
      this.#tell({ heartbeat: { ...STATS, shardsDone: this.#shardsDone } })
      this.#at.time.after(heartbeatMs, beat)
    })
    beat()
    this.#after(this.traits.syncMs, () => {
      this.#tell({ ready: {} })
    })
  }

  #receive(message: FromCoordinator): void {
    if (message.lease) this.#lease(message.lease)
    else if (message.revoke) this.#leases.revoke(message.revoke.lease)
    else if (message.finish) this.kill()
  }

  #lease(lease: LeaseMessage): void {
    if (this.traits.flaw === 'crash') {
      this.kill()
      this.#at.time.after(RESTART_MS, () => {
        this.start()
      })
      return
    }
    if (this.traits.flaw === 'refuse') return this.#tell({ failed: { lease: lease.lease, reason: 'no memory' } })
    if (this.#leases.take(lease)) this.#fetchWeights()
    this.#startWaiting()
  }

  #fetchWeights(): void {
    const { link, vectorBytes } = this.#at
    const target = this.#target
    const arrived = this.#whileMember((version: number, values: Float32Array) => {
      if (this.#leases.takeWeights(version)) this.#weights = values
      this.#startWaiting()
    })
    link.send('up', 'data', MESSAGE_BYTES, () => {
      target?.deliver(() => {
        const { version, values } = target.publishedWeights
        link.send('down', 'data', vectorBytes, () => {
          arrived(version, values)
        })
      })
    })
  }

  #startWaiting(): void {
    const started = this.#leases.start()
    if (started === undefined) return
    const { lease, state } = started
    if (state === 'outdated') this.#tell({ failed: { lease: lease.lease, reason: OUTDATED } })
    else this.#compute(lease, 0, new ReductionTree(lease.shardCount))
  }

  #compute(lease: LeaseMessage, index: number, tree: ReductionTree): void {
    const { time, draws, problem, crowding } = this.#at
    const { jitter, shardMs } = this.traits
    const weights = this.#weights
    this.#computing++
    const tookMs = shardMs * this.slowness * crowding() * (1 + jitter * (2 * draws.unit() - 1))
    this.#threadFreeMs = Math.max(this.#threadFreeMs, time.nowMs) + tookMs
    const membership = this.#membership
    this.#after(this.#threadFreeMs - time.nowMs, () => {
      this.#computing--
      if (membership !== this.#membership) return
      const shard = lease.firstShard + index
      const vector =
        lease.work === 'WORK_GRADIENT'
          ? problem.gradient(lease.step, shard, weights)
          : problem.evaluate(lease.split as SplitName, shard, weights)
      this.#spoil(vector)
      const sum = tree.add(index, 1, vector)
      this.#shardsDone++
      // Before anything else that the thread is asked for: what it has computed it delivers.
      if (sum !== undefined) return this.#deliver(lease.lease, sum)
      const state = this.#leases.stateOf(lease)
      if (state === 'current') this.#compute(lease, index + 1, tree)
      else if (state === 'outdated') this.#tell({ failed: { lease: lease.lease, reason: OUTDATED } })
    })
  }

  #spoil(vector: Float32Array): void {
    if (this.traits.flaw === 'nan') vector.fill(NaN)
    else if (this.traits.flaw === 'flip') vector[0] = vector[0]! + 1
  }

  #deliver(lease: number, sum: Float32Array<ArrayBuffer>): void {
    const { link, vectorBytes } = this.#at
    const target = this.#target
    const worker = this.#id
    link.send('up', 'data', vectorBytes, () => {
      target?.deliverResult(() => {
        target.guard(worker, () => {
          if (target.pool.expectedLength(worker, lease) === undefined)
            target.pool.reject(worker, lease, { code: 'stale', reason: 'stale' })
          else target.pool.result(worker, lease, sum.slice())
        })
      })
    })
  }

  #tell(message: FromWorker): void {
    const { link } = this.#at
    const target = this.#target
    const worker = this.#id
    const refused = this.#whileMember(() => {
      this.#rejoin()
    })
    link.send('up', 'control', MESSAGE_BYTES, () => {
      target?.deliver(() => {
        const madeSense = target.guard(worker, () => {
          target.pool.connections.receive(worker, message)
        })
        if (!madeSense) link.send('down', 'control', MESSAGE_BYTES, refused)
      })
    })
  }

  #noticeDarkness(): void {
    const { link, time } = this.#at
    if (!link.isDark) this.#darkSinceMs = Infinity
    else if (this.#darkSinceMs === Infinity) this.#darkSinceMs = time.nowMs
    else if (time.nowMs - this.#darkSinceMs > KEEPALIVE_MS) this.#rejoin()
  }

  /** This side gives the connection up; the other side hears of it unless the link is dark. */
  #rejoin(): void {
    this.#hangUp()
    this.#forget()
    const again = this.#whileMember(() => {
      this.#join()
    })
    this.#at.time.after(this.#retryMs, again)
    this.#retryMs = Math.min(MAX_RETRY_MS, this.#retryMs * 2)
  }

  #forget(): void {
    this.#membership++
    this.#id = 0
    this.#leases.reset()
  }

  #hangUp(): void {
    const { link, time } = this.#at
    const worker = this.#id
    const target = this.#target
    const wasDark = link.isDark
    link.breakConnection()
    if (worker === 0 || target === undefined || wasDark) return
    time.after(1, () => {
      target.deliver(() => {
        target.pool.connections.disconnect(worker, 'connection lost')
      })
    })
  }

  /** Runs in this life; later when the process is stopped then. */
  #after(delayMs: number, run: () => void): void {
    this.#at.time.after(
      delayMs,
      this.#guarded(() => true, run),
    )
  }

  #whileMember<Args extends unknown[]>(run: (...args: Args) => void): (...args: Args) => void {
    const membership = this.#membership
    return this.#guarded(() => membership === this.#membership, run)
  }

  #guarded<Args extends unknown[]>(isValid: () => boolean, run: (...args: Args) => void): (...args: Args) => void {
    const life = this.#life
    const guarded = (...args: Args): void => {
      if (life !== this.#life || !isValid()) return
      const { time } = this.#at
      if (this.#pausedUntilMs > time.nowMs) {
        time.at(this.#pausedUntilMs, () => {
          guarded(...args)
        })
      } else run(...args)
    }
    return guarded
  }
}
