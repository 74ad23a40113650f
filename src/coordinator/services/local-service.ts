import { once } from 'node:events'
import net from 'node:net'
import { ConvoyError } from '../../shared/errors.js'
import { MessageSocket } from '../../shared/message-socket.js'
import type { FromLocalWorker, ToLocalWorker } from '../../shared/protocol/local-messages.js'
import type { WorkerConnections } from '../worker-connections.js'
import type { SharedResults } from './shared-results.js'
import { whyDropped } from './why-dropped.js'

export interface LocalServiceOptions {
  readonly connections: WorkerConnections
  readonly results: SharedResults
  /** Called when a worker of this machine begins to read weights from shared files. */
  readonly onWorker: () => void
  /** Called when a connection cannot be accepted, such as for lack of descriptors. */
  readonly onFailure: (error: Error) => void
}

type Peer = MessageSocket<ToLocalWorker, FromLocalWorker>

/** Most connections that have not named their worker yet: all workers of a run may join at the same time. */
const MAX_UNKNOWN = 64
/** Time to send `hello`. */
const HELLO_MS = 10_000

/**
 * Leases to the compute threads of workers on this machine, and word of their results. A message passes one thread on each side and
 * no gRPC, which takes a tenth of the time: between two short steps, messages take longest.
 */
export class LocalService {
  readonly #options: LocalServiceOptions
  readonly #server = net.createServer((socket) => {
    this.#accept(socket)
  })
  readonly #peers = new Set<Peer>()
  #unknown = 0

  private constructor(options: LocalServiceOptions) {
    this.#options = options
  }

  /** @param path of a new socket @throws Error of the system when it cannot be made */
  static async listen(path: string, options: LocalServiceOptions): Promise<LocalService> {
    const service = new LocalService(options)
    service.#server.listen(path)
    await once(service.#server, 'listening')
    service.#server.on('error', options.onFailure)
    return service
  }

  close(): void {
    this.#server.close()
    for (const peer of this.#peers) peer.close()
  }

  #accept(socket: net.Socket): void {
    if (this.#unknown >= MAX_UNKNOWN) {
      socket.destroy()
      return
    }
    this.#unknown++
    let worker: number | undefined
    const isLate = setTimeout(() => {
      socket.destroy()
    }, HELLO_MS)
    const isKnown = (): void => {
      clearTimeout(isLate)
      this.#unknown--
    }
    const peer: Peer = new MessageSocket(socket, {
      onMessage: (message) => {
        if (worker !== undefined) {
          this.#receive(worker, peer, message)
          return
        }
        worker = this.#greet(peer, message)
        isKnown()
      },
      onClosed: (error) => {
        this.#peers.delete(peer)
        if (worker === undefined) isKnown()
        else this.#lost(worker, error)
      },
    })
    this.#peers.add(peer)
  }

  /** @returns the worker at the other end @throws ConvoyError('protocol') when it is not (or no longer) a worker of this run */
  #greet(peer: Peer, { hello }: FromLocalWorker): number {
    const { connections, onWorker } = this.#options
    const { worker, session } = hello ?? {}
    if (!Number.isInteger(worker) || typeof session !== 'string' || !connections.authenticate(worker!, session))
      throw new ConvoyError('protocol', 'Not a worker of this run (any more); join first.')
    connections.connectLocally(worker!, peer)
    onWorker()
    peer.send({ welcome: true })
    return worker!
  }

  #receive(worker: number, peer: Peer, { result }: FromLocalWorker): void {
    if (!Number.isInteger(result?.lease))
      throw new ConvoyError('protocol', `Worker ${worker} sent an unknown message over its local connection.`)
    const refused = this.#options.results.take(worker, result!.lease)
    if (refused) peer.send({ refused })
  }

  /** Without its connection the worker is of no use; it joins again. */
  #lost(worker: number, error: ConvoyError | undefined): void {
    const { connections, results } = this.#options
    const { reason, isOwnFault } = error ? whyDropped(error) : { reason: 'connection lost', isOwnFault: false }
    connections.drop(worker, reason, isOwnFault)
    results.remove(worker)
  }
}
