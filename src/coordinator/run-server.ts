import { longestResult } from '../model/longest-result.js'
import type { RunDescription } from '../model/run-description.js'
import type { Logger } from '../shared/log/log.js'
import type { Listener } from '../shared/protocol/listen.js'
import { listen } from '../shared/protocol/listen.js'
import { OpenConnections } from '../shared/protocol/open-connections.js'
import { Admin } from '../shared/protocol/services.js'
import type { ListenAddresses } from './address-problems.js'
import type { AdminActions } from './services/admin-service.js'
import { adminService } from './services/admin-service.js'
import type { Health } from './services/health-service.js'
import { addHealthAndReflection } from './services/health-service.js'
import type { CallObserver } from './services/time-calls.js'
import type { VectorExchange } from './vector-exchange.js'
import type { WorkerPool } from './worker-pool.js'
import type { RunOffer } from './worker-server.js'
import { newServer, servedFingerprints, WorkerServer } from './worker-server.js'

export interface RunServerOptions {
  readonly addresses: ListenAddresses
  readonly pool: WorkerPool
  readonly exchange: VectorExchange
  readonly description: Pick<RunDescription, 'dataset' | 'model'>
  /** Part of the answer to every join. */
  readonly run: RunOffer
  readonly admin: AdminActions
  readonly health: () => Health
  /** Called after each gRPC call. */
  readonly onCall: CallObserver | undefined
  readonly log: Logger
}

/** Most connections to the admin port without a call. */
const MAX_ASKING = 16

/** The gRPC listeners of a run: one for workers, one for `convoy status`, `convoy stop` and the like. */
export class RunServer {
  readonly #options: RunServerOptions
  readonly #workers: WorkerServer
  #admin: Listener | undefined
  #updateHealth: () => void = () => undefined

  constructor(options: RunServerOptions) {
    this.#options = options
    const { addresses, pool, exchange, description, run, onCall, log } = options
    this.#workers = new WorkerServer({
      ...{ listen: addresses.listen, pool, exchange, onCall, log, offer: () => run },
      fingerprints: servedFingerprints(description),
      longestResult: () => longestResult(description.model),
    })
  }

  /** Where workers join. */
  get address(): string {
    return this.#workers.address
  }

  get adminAddress(): string {
    return this.#admin!.address
  }

  /** Begins to listen. @throws ConvoyError('usage') for addresses that cannot be bound */
  async listen(): Promise<void> {
    const { addresses, admin, health, onCall, log } = this.#options
    const connections = new OpenConnections({ maxUnused: MAX_ASKING, report: log.warn })
    const server = newServer(connections, onCall)
    server.addService(Admin.service, adminService(admin))
    this.#updateHealth = addHealthAndReflection(server, health)
    await this.#workers.listen()
    this.#admin = await listen(server, addresses.adminListen, '--admin-listen', connections)
  }

  /** Sends changes to the health checks that wait for one. Call a few times per second. */
  updateHealth(): void {
    this.#updateHealth()
  }

  close(): void {
    this.#workers.close()
    this.#admin?.close()
  }
}
