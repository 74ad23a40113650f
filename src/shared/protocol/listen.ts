import { once } from 'node:events'
import type { AddressInfo, Server } from 'node:net'
import { createServer } from 'node:net'
import * as grpc from '@grpc/grpc-js'
import { ConvoyError } from '../errors.js'
import { parseAddress } from './addresses.js'
import { shortageIn } from '../own-shortage.js'
import { afterPreface } from './http2-preface.js'
import type { OpenConnections } from './open-connections.js'
import { UploadWindows } from './upload-windows.js'

/** A server that listens. */
export interface Listener {
  /** `host:port`, with the port chosen by the system if 0 was given. */
  readonly address: string
  /** Lets the peer `address:port`, a worker, send more before it is read; see {@link UploadWindows}. */
  trust(peer: string): void
  /** Stops listening and destroys every connection at once, without waiting for its peer. */
  close(): void
}

/**
 * Serves gRPC. The connections are accepted here rather than by grpc-js: its forced shutdown only half-closes them, so that a
 * frozen or silent peer would keep the process alive, and it does not limit their number.
 * @param connections limits their number; the server must use its interceptor
 * @throws ConvoyError('usage') when the address cannot be bound, with the flag that chose it
 */
export async function listen(
  server: grpc.Server,
  address: string,
  flag: string,
  connections: OpenConnections,
): Promise<Listener> {
  // There is no TLS yet, so plaintext stays on this machine by default.
  const windows = new UploadWindows(server)
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure())
  windows.watch()
  const acceptor = createServer({ noDelay: true }, (socket) => {
    connections.add(socket)
    afterPreface(socket, () => {
      injector.injectConnection(socket)
    })
  })
  const bound = await bind(acceptor, address, flag)
  return {
    address: bound,
    trust: (peer) => {
      windows.widen(peer)
    },
    close: () => {
      acceptor.close()
      server.forceShutdown()
      connections.close()
    },
  }
}

/**
 * Binds a server to `host:port`; port 0 takes any free port.
 * @returns `host:port` with the port that it got
 * @throws ConvoyError('usage') when the address cannot be bound, with the flag that chose it; ConvoyError('environment') when this
 * process may open no more files
 */
export async function bind(server: Server, address: string, flag: string): Promise<string> {
  const { host, port } = parseAddress(address, flag)
  server.listen(port, host.replace(/^\[|\]$/g, ''))
  try {
    await once(server, 'listening')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (shortageIn(message)) throw ConvoyError.from(error)
    throw new ConvoyError(
      'usage',
      `Cannot listen on ${address}: ${code === 'EADDRINUSE' ? 'the port is in use' : message}. Choose another with ${flag} (port 0 takes any free port).`,
      { cause: error },
    )
  }
  return `${host}:${(server.address() as AddressInfo).port}`
}
