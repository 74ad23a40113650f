import { once } from 'node:events'
import type * as grpc from '@grpc/grpc-js'
import type { DatasetInfo } from '../data/dataset.js'
import { hasPackedDataset, writePackedDataset } from '../data/cache/packed-cache.js'
import type { RunDescription } from '../model/run-description.js'
import { ConvoyError } from '../shared/errors.js'
import type { Logger } from '../shared/log/log.js'
import { packBfloat16 } from '../shared/bfloat16.js'
import { markGarbageInOneGo } from '../shared/collect-garbage.js'
import { chunksOf, sharedChunk, verifyChunk, VectorAssembly } from '../shared/protocol/chunks.js'
import { receiveInPieces } from '../shared/protocol/message-pieces.js'
import type { Chunk, Refusal, UnsealedChunk, WeightsRequest } from '../shared/protocol/messages.js'
import type { DataClient } from '../shared/protocol/services.js'
import type { FromCompute } from './compute-messages.js'
import type { OpenStreams } from './open-streams.js'

export interface DataStreamsOptions {
  readonly client: DataClient
  /** Authenticates each call. */
  readonly metadata: grpc.Metadata
  readonly description: RunDescription
  readonly streams: OpenStreams
  readonly log: Logger
  /** A whole vector of weights came. float32, `[layout.weightCount]` */
  readonly onWeights: (version: number, weights: Float32Array<ArrayBuffer>) => void
  /** Called with the seconds that sending a result took. */
  readonly onSent: (seconds: number) => void
  readonly onError: (error: unknown) => void
}

/** The data side of a membership: the data set and weights come from the coordinator, results go to it. */
export class DataStreams {
  readonly #options: DataStreamsOptions
  #weights: grpc.ClientDuplexStream<WeightsRequest, Chunk> | undefined
  #results: grpc.ClientDuplexStream<UnsealedChunk, Refusal> | undefined
  #assembly: VectorAssembly<Float32Array<ArrayBuffer>> | undefined
  #spare: Float32Array<ArrayBuffer> | undefined
  /** Results wait for each other: their chunks must not mix. */
  #sending = Promise.resolve()

  constructor(options: DataStreamsOptions) {
    markGarbageInOneGo()
    this.#options = options
  }

  /** Fetches data set and frozen weights into the cache of this machine, unless they are there. @throws ConvoyError when they cannot be fetched or written */
  async fetchData(): Promise<void> {
    const { dataset, model } = this.#options.description
    await this.#fetch(dataset)
    if (model.frozen) await this.#fetch(model.frozen.stored)
  }

  async #fetch(stored: DatasetInfo): Promise<void> {
    const { client, metadata, streams, log, onError } = this.#options
    if (hasPackedDataset(stored.fingerprint)) return
    log.info(`Fetching ${stored.name} from the coordinator.`)
    const samples = streams.add(client.samples({ fingerprint: stored.fingerprint }, metadata))
    // At once: the call may fail before anything is read from it.
    samples.on('error', onError)
    await writePackedDataset(stored, blocksOf(samples))
  }

  /** Opens the streams for vectors, and requests weights. @param shared whether weights travel through memory */
  open(shared: boolean): void {
    const { client, metadata, streams, onError } = this.#options
    const weights = streams.add(client.weights(metadata))
    const results = streams.add(client.results(metadata))
    results.on('error', onError)
    results.on('data', (refusal: Refusal) => {
      this.refused(refusal)
    })
    weights.on('error', onError)
    weights.on('data', (chunk: Chunk) => {
      this.#receiveWeights(chunk)
    })
    weights.write({ haveVersion: 0, shared })
    this.#weights = weights
    this.#results = results
  }

  /** Logs that a result is not used, unless another worker was faster. */
  refused({ lease, code, reason }: Refusal): void {
    if (code !== 'stale') this.#options.log.warn(`Result of lease ${lease} rejected: ${reason}.`)
  }

  /** Requests newer weights than these over the network. @param spare for them; a fresh vector costs more than the copy into it */
  requestWeights(haveVersion: number, spare?: Float32Array<ArrayBuffer>): void {
    this.#spare = spare
    // No weights are on the way.
    receiveInPieces(this.#weights!)
    this.#weights!.write({ haveVersion, shared: false })
  }

  /** Sends a result after those before it. Its vector is of no use to others any more; one without a vector lies in shared memory. */
  send(result: Extract<FromCompute, { kind: 'result' }>): void {
    this.#sending = this.#sending.then(async () => this.#send(result)).catch(this.#options.onError)
  }

  async #send({ lease, bytes, vector, rounded = 0 }: Extract<FromCompute, { kind: 'result' }>): Promise<void> {
    const startedMs = performance.now()
    const results = this.#results!
    const chunks = vector ? chunksOf(lease, packBfloat16(vector, rounded)) : [sharedChunk(lease, bytes)]
    for (const chunk of chunks) if (!results.write(chunk)) await once(results, 'drain')
    this.#options.onSent((performance.now() - startedMs) / 1000)
  }

  #receiveWeights(chunk: Chunk): void {
    const { description, onWeights, onError } = this.#options
    try {
      const { weightCount } = description.model.layout
      this.#assembly ??= new VectorAssembly(chunk, this.#spare ?? new Float32Array(weightCount), 'weights')
      this.#spare = undefined
      const weights = this.#assembly.add(chunk)
      if (weights === undefined) return
      this.#assembly = undefined
      onWeights(chunk.id, weights)
    } catch (error) {
      onError(error)
    }
  }
}

async function* blocksOf(stream: AsyncIterable<Chunk>): AsyncGenerator<Uint8Array> {
  let offset = 0
  for await (const chunk of stream) {
    if (chunk.offset !== offset) throw new ConvoyError('protocol', `samples: a gap at byte ${offset}`)
    verifyChunk(chunk, 'samples')
    offset += chunk.length
    yield* chunk.pieces
  }
}
