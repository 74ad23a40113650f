/** Before each message: whether it is compressed, and its length. */
const PREFIX_BYTES = 5

/** A message in the pieces in which it came. grpc-js asks it for its first byte, and for what comes after the prefix, as it asks a Buffer. */
export class MessagePieces {
  readonly pieces: readonly Buffer[]
  /** Bytes of all. */
  readonly length: number

  constructor(pieces: readonly Buffer[], length: number) {
    this.pieces = pieces
    this.length = length
  }

  readUInt8(): number {
    return this.pieces[0]![0]!
  }

  /** The bytes from `start`; no copy. */
  subarray(start: number): MessagePieces {
    let before = start
    const pieces = this.pieces.flatMap((piece) => {
      const rest = piece.subarray(before)
      before = Math.max(0, before - piece.length)
      return rest.length > 0 ? [rest] : []
    })
    return new MessagePieces(pieces, Math.max(0, this.length - start))
  }

  slice(start: number): MessagePieces {
    return this.subarray(start)
  }

  /** The bytes before `end`, or all if there are fewer; copied unless they came in one piece. */
  begin(end: number): Buffer {
    const [first] = this.pieces
    if (first !== undefined && first.length >= end) return first.subarray(0, end)
    return Buffer.concat(this.pieces, Math.min(end, this.length))
  }
}

/** Cuts the data of a call into messages, as grpc-js's StreamDecoder does, which copies each message once. */
class PiecesDecoder {
  readonly #maxBytes: number
  #pieces: Buffer[] = []
  #received = 0
  /** Of the message, with its prefix; unknown before the prefix is there. */
  #length: number | undefined

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  write(data: Buffer): MessagePieces[] {
    const messages: MessagePieces[] = []
    let rest = data
    while (rest.length > 0) {
      const piece = rest.subarray(0, (this.#length ?? PREFIX_BYTES) - this.#received)
      rest = rest.subarray(piece.length)
      this.#pieces.push(piece)
      this.#received += piece.length
      if (this.#received === PREFIX_BYTES) this.#readLength()
      if (this.#received === this.#length) messages.push(this.#take(this.#length))
    }
    return messages
  }

  #readLength(): void {
    const bytes = Buffer.concat(this.#pieces).readUInt32BE(1)
    if (bytes > this.#maxBytes) throw new Error(`Received message larger than max (${bytes} vs ${this.#maxBytes})`)
    this.#length = PREFIX_BYTES + bytes
  }

  #take(length: number): MessagePieces {
    const message = new MessagePieces(this.#pieces, length)
    this.#pieces = []
    this.#received = 0
    this.#length = undefined
    return message
  }
}

/** The members of grpc-js's calls that are used here, private ones (version 1.14.7): one wraps another, and the innermost has a decoder. */
interface PrivateCall {
  readonly call?: PrivateCall
  readonly nextCall?: PrivateCall
  readonly child?: PrivateCall | null
  readonly underlyingCalls?: readonly { readonly call: PrivateCall }[]
  decoder?: object
}

interface PrivateDecoder {
  readonly readState?: number
  readonly maxReadMessageLength?: number
}
const BETWEEN_MESSAGES = 0

/**
 * Lets a call of client or server receive messages as {@link MessagePieces} from the next one on. Call it while no message is on the way.
 * @returns whether it does. Otherwise grpc-js has changed, or the call is not connected: messages come as Buffers
 */
export function receiveInPieces(stream: object): boolean {
  let call: PrivateCall | null | undefined = stream
  while (call && call.decoder === undefined)
    call = call.nextCall ?? call.call ?? call.child ?? call.underlyingCalls?.[0]?.call
  if (!call) return false
  const { readState, maxReadMessageLength: maxBytes } = call.decoder as PrivateDecoder
  if (readState === BETWEEN_MESSAGES && maxBytes !== undefined) call.decoder = new PiecesDecoder(maxBytes)
  return call.decoder instanceof PiecesDecoder
}
