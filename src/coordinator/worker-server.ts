import * as grpc from '@grpc/grpc-js'
import type { RunDescription } from '../model/run-description.js'
import { DEFAULT_LIMITS } from '../scheduler/limits.js'
import type { Logger } from '../shared/log/log.js'
import type { Listener } from '../shared/protocol/listen.js'
import { listen } from '../shared/protocol/listen.js'
import type { JoinReply, JoinRequest } from '../shared/protocol/messages.js'
import { OpenConnections } from '../shared/protocol/open-connections.js'
import { Control, Data, SERVER_OPTIONS } from '../shared/protocol/services.js'
import { controlService } from './services/control-service.js'
import { dataService } from './services/data-service.js'
import { LocalService } from './services/local-service.js'
import { SharedResults } from './services/shared-results.js'
import type { CallObserver } from './services/time-calls.js'
import { timeCalls } from './services/time-calls.js'
import type { VectorExchange } from './vector-exchange.js'
import type { WorkerPool } from './worker-pool.js'

/** What a worker learns of the run when it joins. */
export type RunOffer = Pick<JoinReply, 'run' | 'runName' | 'logLevel'>

export interface WorkerServerOptions {
  /** `host:port`; port 0 takes any free one. */
  readonly listen: string
  readonly pool: WorkerPool
  readonly exchange: VectorExchange
  /** Of the data set and the frozen weights, which workers may fetch; read at each request. */
  readonly fingerprints: readonly string[]
  /** Floats of the longest result of the run; called when there is one. */
  readonly longestResult: () => number
  /** The run, for a worker that asks to join. Its error is the answer. */
  readonly offer: (request: JoinRequest) => RunOffer | Promise<RunOffer>
  /** Called after each gRPC call. @default nothing */
  readonly onCall?: CallObserver | undefined
  readonly log: Logger
}

/** Most connections that have not joined yet: all workers of a run may join at the same time. */
const MAX_JOINING = 64

/** The listener that workers join: control and data over gRPC, and a socket for compute threads on this machine. */
export class WorkerServer {
  readonly #options: WorkerServerOptions
  readonly #sharedResults: SharedResults
  #listener: Listener | undefined
  #local: LocalService | undefined

  constructor(options: WorkerServerOptions) {
    this.#options = options
    const { pool, exchange, longestResult: longest } = options
    this.#sharedResults = new SharedResults({
      ...{ pool, files: exchange.files, longest },
      onTaken: (bytes) => {
        exchange.traffic.add('results', 'received', 'memory', bytes)
      },
    })
  }

  /** Where workers join. */
  get address(): string {
    return this.#listener!.address
  }

  /** Begins to listen. @throws ConvoyError('usage') for an address that cannot be bound */
  async listen(): Promise<void> {
    const { pool, log } = this.#options
    const isInUse = (peer: string): boolean => pool.connections.isCaller(peer)
    const connections = new OpenConnections({ maxUnused: MAX_JOINING, isInUse, report: log.warn })
    const server = this.#server(connections)
    await this.#listenLocally()
    this.#listener = await listen(server, this.#options.listen, '--listen', connections)
  }

  close(): void {
    this.#local?.close()
    this.#listener?.close()
  }

  /** For compute threads on this machine. */
  async #listenLocally(): Promise<void> {
    const { pool, exchange, log } = this.#options
    const { files, weights } = exchange
    if (files === undefined) return
    try {
      this.#local = await LocalService.listen(files.socket, {
        ...{ connections: pool.connections, results: this.#sharedResults },
        onWorker: () => {
          weights.share()
        },
        onFailure: ({ message }) => {
          log.warn(`A worker on this machine cannot connect to the socket beside the shared files: ${message}.`)
        },
      })
    } catch (error) {
      log.info(`Leases of workers on this machine go over gRPC, which takes longer: ${(error as Error).message}.`)
    }
  }

  #server(connections: OpenConnections): grpc.Server {
    const { pool, exchange, fingerprints, offer, onCall } = this.#options
    const { traffic, weights, offer: sharedFiles } = exchange
    const server = newServer(connections, onCall)
    server.addService(
      traffic.counted(Control.service),
      controlService(pool.connections, async (request) => ({
        ...(await offer(request)),
        ...pool.connections.join(request),
        heartbeatMs: DEFAULT_LIMITS.heartbeatMs,
        ...(sharedFiles && { sharedFiles }),
      })),
    )
    server.addService(
      traffic.counted(Data.service),
      dataService({
        ...{ pool, weights, fingerprints, sharedResults: this.#sharedResults },
        onWorker: (peer) => {
          this.#listener?.trust(peer)
        },
      }),
    )
    return server
  }
}

/** A gRPC server without services. @param onCall called after each call; undefined: nothing */
export function newServer({ interceptor }: OpenConnections, onCall: CallObserver | undefined): grpc.Server {
  return new grpc.Server({ ...SERVER_OPTIONS, interceptors: [interceptor, ...(onCall ? [timeCalls(onCall)] : [])] })
}

/** Of what the workers of a run may fetch: its data set and the frozen weights. */
export function servedFingerprints({ dataset, model }: Pick<RunDescription, 'dataset' | 'model'>): string[] {
  return [dataset.fingerprint, ...(model.frozen ? [model.frozen.stored.fingerprint] : [])]
}
