import type * as grpc from '@grpc/grpc-js'

/** The streams of one membership, to be cancelled together at its end. */
export class OpenStreams {
  readonly #streams: (grpc.ClientDuplexStream<never, never> | grpc.ClientReadableStream<never>)[] = []

  /** @returns the same stream */
  add<Stream>(stream: Stream): Stream {
    this.#streams.push(stream as never)
    return stream
  }

  cancel(): void {
    for (const stream of this.#streams) {
      stream.on('error', () => undefined)
      stream.cancel()
    }
  }
}
