import { once } from 'node:events'
import http2 from 'node:http2'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { JoinReply, JoinRequest } from '../../../src/shared/protocol/messages.js'
import { Control, SESSION_KEY, WORKER_KEY } from '../../../src/shared/protocol/services.js'

/** Time that a peer waits for an answer. */
const PATIENCE_MS = 10_000

/** How a call ended: its gRPC status, or `closed` when the connection ended before it. */
export type CallEnd = number | 'closed'

/**
 * The peer's side of connections: TCP, and HTTP/2 with hand-made gRPC calls, which neither check anything nor disconnect by
 * themselves. At its limit of open connections it closes the oldest, as a peer with a descriptor limit must.
 */
export class RawPeers {
  readonly #open = new Set<Socket>()
  readonly #sockets = new WeakMap<http2.ClientHttp2Session, Socket>()
  readonly #maxOpen: number

  constructor(maxOpen: number) {
    this.#maxOpen = maxOpen
  }

  /** Connections that the other side has not closed. */
  get open(): number {
    return this.#open.size
  }

  /** A connection that stays open when the other side ends its half. @param address `host:port` */
  async tcp(address: string): Promise<Socket> {
    const { hostname, port } = new URL(`tcp://${address}`)
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true, noDelay: true })
    this.#open.add(socket)
    socket.once('close', () => this.#open.delete(socket))
    socket.on('error', () => undefined).resume()
    const [oldest] = this.#open
    if (this.#open.size > this.#maxOpen) oldest!.destroy()
    await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => undefined)
    return socket
  }

  /** An HTTP/2 connection. It answers pings. */
  async http2(address: string): Promise<http2.ClientHttp2Session> {
    const socket = await this.tcp(address)
    const session = http2.connect(`http://${address}`, { createConnection: () => socket })
    session.on('error', () => undefined)
    this.#sockets.set(session, socket)
    return session
  }

  /** Closes the socket of an HTTP/2 connection without a closing frame. */
  breakOff(session: http2.ClientHttp2Session): void {
    this.#sockets.get(session)?.destroy()
  }

  close(): void {
    for (const socket of this.#open) socket.destroy()
  }
}

/** Begins a call. @param headers metadata @param body the sent bytes, frames included; the sending side stays open */
export function beginCall(
  session: http2.ClientHttp2Session,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body: Buffer = Buffer.alloc(0),
): http2.ClientHttp2Stream {
  const protocol = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' }
  const stream = session.request({ ...protocol, ...headers }, { endStream: false })
  stream.on('error', () => undefined)
  if (body.length > 0) stream.write(body)
  return stream
}

/** A gRPC message in its frame. */
export function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** Sends a join with any content. @returns how it ended, and the reply when it was accepted */
export async function join(
  session: http2.ClientHttp2Session,
  request: JoinRequest,
): Promise<{ end: CallEnd; reply?: JoinReply }> {
  const { path, requestSerialize, responseDeserialize } = Control.service['Join']!
  const stream = beginCall(session, path, {}, framed(requestSerialize(request)))
  stream.end()
  let end: CallEnd | undefined
  const read = (headers: http2.IncomingHttpHeaders): void => {
    if (headers['grpc-status'] !== undefined) end = Number(headers['grpc-status'])
  }
  stream.on('response', read).on('trailers', read)
  const parts: Buffer[] = []
  stream.on('data', (bytes: Buffer) => parts.push(bytes))
  const isOver = (): boolean => stream.closed || stream.destroyed
  const over = new AbortController()
  const ended = Promise.race([once(stream, 'end', over), once(stream, 'close', over)]).catch(() => undefined)
  if (!isOver()) await Promise.race([ended, delay(PATIENCE_MS, undefined, over).catch(() => undefined)])
  over.abort()
  const answer = Buffer.concat(parts)
  if (end !== 0 || answer.length < 5) return { end: end ?? 'closed' }
  return { end, reply: responseDeserialize(answer.subarray(5)) as JoinReply }
}

/** Metadata of the calls of a joined worker. */
export function credentialsOf({ worker, session }: JoinReply): Record<string, string> {
  return { [WORKER_KEY]: String(worker), [SESSION_KEY]: session }
}
