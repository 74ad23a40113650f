import { ConvoyError } from '../shared/errors.js'
import type { FromCoordinator, FromWorker, LeaseMessage } from '../shared/protocol/messages.js'
import { PROTOCOL_VERSION } from '../shared/protocol/messages.js'
import type { SeededDraws } from './seeded-draws.js'
import type { ShardFunctions } from '../training/plain-gradient-source.js'
import type { ComputeEvents, SimulatedComputer, WorkerTraits } from './simulated-compute-thread.js'
import { SimulatedComputeThread } from './simulated-compute-thread.js'
import type { SimulatedLink } from './simulated-link.js'
import { SimulatedProcess } from './simulated-process.js'
import type { SimulatedServer } from './simulated-server.js'
import { guard } from './simulated-server.js'
import type { VectorPath } from './vector-path.js'
import type { VirtualTime } from './virtual-time.js'

export interface WorkerSurroundings {
  readonly time: VirtualTime
  readonly draws: SeededDraws
  readonly link: SimulatedLink
  readonly problem: ShardFunctions
  /** Bytes of a vector on the wire. */
  readonly vectorBytes: number
  readonly heartbeatMs: number
  /** The coordinator or relay that listens now. */
  readonly coordinator: () => SimulatedServer | undefined
  /** How its vectors travel. Absent: over the link, which alone costs time. */
  readonly path?: VectorPath
  /** What computes its leases. Absent: a thread. */
  readonly computer?: (events: ComputeEvents) => SimulatedComputer
  /** Factor on the time of a shard when this many other workers of the machine compute too. */
  readonly crowding: () => number
}

const STATS = { residentBytes: 1, tensors: 1, tensorBytes: 4, eventLoopDelaySeconds: 0, phases: [] }
const FIRST_RETRY_MS = 100
const MAX_RETRY_MS = 2_000
const JOIN_DEADLINE_MS = 5_000
/** The keepalive of gRPC closes a connection over a dark link after this time. */
const KEEPALIVE_MS = 10_000
const MESSAGE_BYTES = 100
const RESTART_MS = 1_000

/** A worker process (session.ts) in virtual time: joins, reports and sends results over a simulated link. */
export class SimulatedWorker {
  readonly traits: WorkerTraits
  readonly link: SimulatedLink
  readonly #at: WorkerSurroundings
  readonly #process: SimulatedProcess
  readonly #thread: SimulatedComputer
  /** Callbacks of an earlier membership are void. */
  #membership = 0
  /** 0: not a member. */
  #id = 0
  /** The coordinator process that this worker is a member of; another one may listen by now. */
  #target: SimulatedServer | undefined
  #retryMs = FIRST_RETRY_MS
  #darkSinceMs = Infinity

  constructor(traits: WorkerTraits, surroundings: WorkerSurroundings) {
    const { time, draws, problem, crowding, link } = surroundings
    this.traits = traits
    this.link = link
    this.#at = surroundings
    this.#process = new SimulatedProcess(time)
    const events: ComputeEvents = {
      requestWeights: () => {
        this.#fetchWeights()
      },
      onResult: (lease, sum) => {
        this.#deliver(lease, sum)
      },
      onFailed: (lease, reason) => {
        this.#send({ failed: { lease, reason } })
      },
    }
    const thread = { traits, process: this.#process, time, draws, problem, crowding }
    this.#thread = surroundings.computer?.(events) ?? new SimulatedComputeThread({ ...thread, ...events })
  }

  /** From now on each shard takes `times` as long. @param times 1: the speed of its traits */
  slowDown(times: number): void {
    this.#thread.slowness = times
  }

  start(): void {
    if (!this.#process.start()) return
    this.#membership++
    this.#thread.start()
    this.#retryMs = FIRST_RETRY_MS
    this.#process.after(this.traits.bootMs, this.#join)
  }

  /** SIGKILL. The kernel closes its connections. */
  kill(): void {
    if (!this.#process.kill()) return
    this.#hangUp()
    this.#forget()
  }

  /** SIGSTOP and, after a while, SIGCONT. */
  pause(forMs: number): void {
    this.#process.pause(forMs)
  }

  /** SIGTERM: finishes its lease, then leaves. */
  leave(): void {
    if (this.#process.isAlive && this.#id > 0) this.#send({ leaving: {} })
    else this.kill()
  }

  /** The connection was reset under both sides. */
  cut(): void {
    if (!this.#process.isAlive || this.#id === 0) return
    this.#hangUp()
    this.#process.after(1, this.#rejoin)
  }

  readonly #join = (): void => {
    const { link, coordinator } = this.#at
    const target = coordinator()
    const name = this.traits.name
    this.#darkSinceMs = Infinity
    const deadline = this.#whileMember(() => {
      if (this.#id === 0) this.#rejoin()
    })
    this.#at.time.after(JOIN_DEADLINE_MS, deadline)
    if (target === undefined) return this.#rejoin()
    const joined = this.#whileMember((worker: number) => {
      this.#joined(worker, target)
    })
    const refused = this.#whileMember(this.#rejoin)
    const device = { kind: 'cpu', name: 'simulated', tensorflowVersion: '0', fingerprint: 'simulated' }
    const request = {
      protocol: PROTOCOL_VERSION,
      name,
      incarnation: `${name} ${this.#process.life}`,
      host: name,
      device,
    }
    link.send('up', 'control', MESSAGE_BYTES, () => {
      target.deliver(() => {
        try {
          const { worker } = target.pool.connections.join(request)
          link.send('down', 'control', MESSAGE_BYTES, () => {
            joined(worker)
          })
        } catch (error) {
          if (ConvoyError.from(error).code === 'internal') throw error
          link.send('down', 'control', MESSAGE_BYTES, refused)
        }
      })
    })
  }

  #joined(worker: number, target: SimulatedServer): void {
    // A reply that came twice.
    if (this.#id !== 0) return
    const { link, heartbeatMs } = this.#at
    this.#id = worker
    this.#target = target
    // As the compute thread does for each membership.
    this.#thread.reset()
    this.#retryMs = FIRST_RETRY_MS
    const receive = this.#whileMember(this.#receive)
    const dropped = this.#whileMember(this.#rejoin)
    link.send('up', 'control', MESSAGE_BYTES, () => {
      target.deliver(() => {
        guard(target, worker, () => {
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
      this.#checkDarkness()
      const { shardsDone, workers } = this.#thread
      this.#send({ heartbeat: { ...STATS, shardsDone, ...(workers && { workers }) } })
      this.#at.time.after(heartbeatMs, beat)
    })
    beat()
    this.#process.after(this.traits.syncMs, () => {
      this.#send({ ready: {} })
    })
  }

  readonly #receive = (message: FromCoordinator): void => {
    if (message.lease) this.#lease(message.lease)
    else if (message.revoke) this.#thread.revoke(message.revoke.lease)
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
    if (this.traits.flaw === 'refuse') return this.#send({ failed: { lease: lease.lease, reason: 'no memory' } })
    this.#thread.take(lease)
  }

  #fetchWeights(): void {
    const { link, vectorBytes, path } = this.#at
    const target = this.#target
    const arrived = this.#whileMember((version: number, values: Float32Array) => {
      this.#thread.takeWeights(version, values)
    })
    if (path && target) {
      // They were on their way before the lease was there.
      const { version, values } = target.publishedWeights
      return path.sendWeights(() => {
        arrived(version, values)
      })
    }
    link.send('up', 'data', MESSAGE_BYTES, () => {
      target?.deliver(() => {
        const { version, values } = target.publishedWeights
        link.send('down', 'data', vectorBytes, () => {
          arrived(version, values)
        })
      })
    })
  }

  #deliver(lease: number, sum: Float32Array<ArrayBuffer>): void {
    const { link, vectorBytes, path } = this.#at
    const target = this.#target
    const worker = this.#id
    if (target === undefined) return
    const take = (): void => {
      guard(target, worker, () => {
        if (target.pool.expected(worker, lease) === undefined)
          target.pool.reject(worker, lease, { code: 'stale', reason: 'stale' })
        else target.pool.result(worker, lease, sum.slice())
      })
    }
    if (path) return path.sendResult(take)
    link.send('up', 'data', vectorBytes, () => {
      target.deliver(take)
    })
  }

  #send(message: FromWorker): void {
    const { link } = this.#at
    const target = this.#target
    const worker = this.#id
    const refused = this.#whileMember(this.#rejoin)
    link.send('up', 'control', MESSAGE_BYTES, () => {
      target?.deliver(() => {
        const madeSense = guard(target, worker, () => {
          target.pool.connections.receive(worker, message)
        })
        if (!madeSense) link.send('down', 'control', MESSAGE_BYTES, refused)
      })
    })
  }

  #checkDarkness(): void {
    const { link, time } = this.#at
    if (!link.isDark) this.#darkSinceMs = Infinity
    else if (this.#darkSinceMs === Infinity) this.#darkSinceMs = time.nowMs
    else if (time.nowMs - this.#darkSinceMs > KEEPALIVE_MS) this.#rejoin()
  }

  /** Closes the connection and joins again. The coordinator sees it close unless the link is dark. */
  readonly #rejoin = (): void => {
    this.#hangUp()
    this.#forget()
    this.#at.time.after(this.#retryMs, this.#whileMember(this.#join))
    this.#retryMs = Math.min(MAX_RETRY_MS, this.#retryMs * 2)
  }

  #forget(): void {
    this.#membership++
    this.#id = 0
    this.#thread.reset()
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

  #whileMember<Args extends unknown[]>(run: (...args: Args) => void): (...args: Args) => void {
    const membership = this.#membership
    return this.#process.inThisLife(() => membership === this.#membership, run)
  }
}
