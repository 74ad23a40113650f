import type { Http2Server, ServerHttp2Session } from 'node:http2'
import type * as grpc from '@grpc/grpc-js'
import { ConvoyError } from '../errors.js'
import { CHUNK_BYTES } from './services.js'

/** Bytes that a worker may send before any of them is read: at 10 ms, enough for 800 MB/s. Many workers share what two would have. */
const WINDOW_BYTES = 8 * CHUNK_BYTES
const ALL_WINDOWS_BYTES = 2 * WINDOW_BYTES

/** The members of grpc-js's server that are used here, private ones (version 1.14.7); a test fails when they change. */
interface PrivateServer {
  readonly commonServerOptions?: { settings?: { initialWindowSize?: number } }
  readonly http2Servers?: ReadonlyMap<Http2Server, unknown>
}

/**
 * How much peers may send before it is read. HTTP/2 begins with 64 KiB for a connection and for each of its streams, that is 6 MB/s over a link
 * of 10 ms; grpc-js lets only clients change that. A stream's window is wide from the start; the connection's, which limits the memory that a
 * peer can fill, becomes so once the peer has shown that it is a worker.
 */
export class UploadWindows {
  readonly #server: PrivateServer
  /** By `address:port` of the peer. */
  readonly #sessions = new Map<string, ServerHttp2Session>()
  /** Those of workers. */
  readonly #wide = new Set<ServerHttp2Session>()

  /**
   * Call it before the server is bound or has an injector.
   * @throws ConvoyError('internal') when grpc-js has changed
   */
  constructor(server: grpc.Server) {
    this.#server = server as unknown as PrivateServer
    const { commonServerOptions } = this.#server
    if (commonServerOptions === undefined) throw changed('commonServerOptions')
    commonServerOptions.settings = { ...commonServerOptions.settings, initialWindowSize: WINDOW_BYTES }
  }

  /** Follows the connections of the server. Call it once, after it was bound or has an injector. @throws as the constructor */
  watch(): void {
    const [http2Server] = this.#server.http2Servers?.keys() ?? []
    if (http2Server === undefined) throw changed('http2Servers')
    http2Server.on('session', (session) => {
      const { remoteAddress, remotePort } = session.socket
      const peer = `${remoteAddress}:${remotePort}`
      this.#sessions.set(peer, session)
      session.once('close', () => {
        this.#sessions.delete(peer)
        if (this.#wide.delete(session)) this.#share()
      })
    })
  }

  /** Widens the window of the connection from `peer`. What comes while nobody reads it lies in this process: with more workers, windows are smaller. */
  widen(peer: string): void {
    const session = this.#sessions.get(peer)
    if (session === undefined || session.destroyed) return
    this.#wide.add(session)
    this.#share()
  }

  #share(): void {
    const share = Math.floor(ALL_WINDOWS_BYTES / Math.max(1, this.#wide.size))
    const initialWindowSize = Math.max(CHUNK_BYTES, Math.min(WINDOW_BYTES, share))
    for (const session of this.#wide) {
      if (session.destroyed) continue
      session.setLocalWindowSize(initialWindowSize)
      if (session.localSettings.initialWindowSize !== initialWindowSize) session.settings({ initialWindowSize })
    }
  }
}

function changed(member: string): ConvoyError {
  return new ConvoyError('internal', `grpc-js has no ${member} any more: uploads over slow links would be slow`)
}
