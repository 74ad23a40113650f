import type net from 'node:net'
import { ConvoyError } from './errors.js'

/** Longest message. Those of workers have some hundred characters. */
const MAX_LENGTH = 64 * 1024

export interface MessageListener<Received> {
  /** What it throws closes the connection. */
  readonly onMessage: (message: Received) => void
  /** Called once. @param thrown by `onMessage`, or for what is no message; undefined: the connection was closed, or lost */
  readonly onClosed: (thrown: ConvoyError | undefined) => void
}

/** Messages over a connection, each a line of JSON. */
export class MessageSocket<Sent extends object, Received extends object> {
  readonly #socket: net.Socket
  readonly #onMessage: (message: Received) => void
  /** The beginning of a line. */
  #rest = ''

  constructor(socket: net.Socket, { onMessage, onClosed }: MessageListener<Received>) {
    this.#socket = socket
    this.#onMessage = onMessage
    let failure: ConvoyError | undefined
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => {
      try {
        this.#receive(text)
      } catch (error) {
        failure = ConvoyError.from(error)
        socket.destroy()
      }
    })
    // It is closed after that.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      onClosed(failure)
    })
  }

  /** Sends nothing when the connection is closed. */
  send(message: Sent): void {
    if (this.#socket.writable) this.#socket.write(`${JSON.stringify(message)}\n`)
  }

  /** No message comes any more. */
  close(): void {
    this.#socket.destroy()
  }

  /** @throws ConvoyError('protocol') for a line that is no message */
  #receive(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop()!
    for (const line of lines) if (!this.#socket.destroyed) this.#onMessage(parse(line) as Received)
    if (this.#rest.length > MAX_LENGTH)
      throw new ConvoyError('protocol', `A message has more than ${MAX_LENGTH} characters.`)
  }
}

function parse(line: string): object {
  let message: unknown
  try {
    message = JSON.parse(line)
  } catch {
    // Handled below.
  }
  if (typeof message !== 'object' || message === null)
    throw new ConvoyError('protocol', `A line is no message: ${line.slice(0, 40)}`)
  return message
}
