import * as grpc from '@grpc/grpc-js'
import { DEFAULT_LIMITS } from '../scheduler/limits.js'
import type { Logger } from '../shared/log/log.js'
import type { Listener } from '../shared/protocol/listen.js'
import { listen } from '../shared/protocol/listen.js'
import type { JoinReply } from '../shared/protocol/messages.js'
import { OpenConnections } from '../shared/protocol/open-connections.js'
import { Admin, Control, Data, SERVER_OPTIONS } from '../shared/protocol/services.js'
import type { ListenAddresses } from './address-problems.js'
import type { AdminActions } from './services/admin-service.js'
import { adminService } from './services/admin-service.js'
import { controlService } from './services/control-service.js'
import { dataService } from './services/data-service.js'
import type { Health } from './services/health-service.js'
import { addHealthAndReflection } from './services/health-service.js'
import type { CallObserver } from './services/time-calls.js'
import { timeCalls } from './services/time-calls.js'
import type { VectorExchange } from './vector-exchange.js'
import type { WorkerPool } from './worker-pool.js'

export interface RunServerOptions {
  readonly addresses: ListenAddresses
  readonly pool: WorkerPool
  readonly exchange: VectorExchange
  /** Fingerprint of the data set that workers may fetch. */
  /** Of the data set and the frozen weights, which workers may fetch. */
  readonly fingerprints: readonly string[]
  /** Part of the answer to every join. */
  readonly run: Pick<JoinReply, 'run' | 'runName' | 'logLevel'>
  readonly admin: AdminActions
  readonly health: () => Health
  /** Called after each gRPC call. */
  readonly onCall: CallObserver | undefined
  readonly log: Logger
}

/** Most connections that have not joined yet: all workers of a run may join at the same time. */
const MAX_JOINING = 64
/** Most connections to the admin port without a call. */
const MAX_ASKING = 16

/** The gRPC listeners of a run: one for workers, one for `convoy status`, `convoy stop` and the like. */
export class RunServer {
  readonly #options: RunServerOptions
  readonly #listeners: Listener[] = []
  #updateHealth: () => void = () => undefined

  constructor(options: RunServerOptions) {
    this.#options = options
  }

  /** Where workers join. */
  get address(): string {
    return this.#listeners[0]!.address
  }

  get adminAddress(): string {
    return this.#listeners[1]!.address
  }

  /** Begins to listen. @throws ConvoyError('usage') for addresses that cannot be bound */
  async listen(): Promise<void> {
    const { addresses, pool, log } = this.#options
    const isInUse = (peer: string): boolean => pool.connections.isCaller(peer)
    const workers = new OpenConnections({ maxUnused: MAX_JOINING, isInUse, report: log.warn })
    const admins = new OpenConnections({ maxUnused: MAX_ASKING, report: log.warn })
    const server = this.#workerServer(workers)
    const admin = this.#adminServer(admins)
    this.#listeners.push(await listen(server, addresses.listen, '--listen', workers))
    this.#listeners.push(await listen(admin, addresses.adminListen, '--admin-listen', admins))
  }

  /** Sends changes to the health checks that wait for one. Call a few times per second. */
  updateHealth(): void {
    this.#updateHealth()
  }

  close(): void {
    for (const listener of this.#listeners) listener.close()
  }

  /** Control and data. */
  #workerServer(connections: OpenConnections): grpc.Server {
    const { pool, exchange, run, fingerprints } = this.#options
    const { traffic, weights, files, offer } = exchange
    const server = this.#newServer(connections)
    server.addService(
      traffic.counted(Control.service),
      controlService(pool.connections, {
        ...{ ...run, heartbeatMs: DEFAULT_LIMITS.heartbeatMs },
        ...(offer && { sharedFiles: offer }),
      }),
    )
    server.addService(
      traffic.counted(Data.service),
      dataService(pool, weights, fingerprints, files, (bytes) => {
        traffic.add('results', 'received', 'memory', bytes)
      }),
    )
    return server
  }

  /** What operators ask for, health checks and reflection. */
  #adminServer(connections: OpenConnections): grpc.Server {
    const server = this.#newServer(connections)
    server.addService(Admin.service, adminService(this.#options.admin))
    this.#updateHealth = addHealthAndReflection(server, this.#options.health)
    return server
  }

  #newServer({ interceptor }: OpenConnections): grpc.Server {
    const { onCall } = this.#options
    return new grpc.Server({ ...SERVER_OPTIONS, interceptors: [interceptor, ...(onCall ? [timeCalls(onCall)] : [])] })
  }
}
