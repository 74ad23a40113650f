import { once } from 'node:events'
import type * as grpc from '@grpc/grpc-js'
import { readPackedDataset } from '../../data/cache/packed-cache.js'
import { markGarbageInOneGo } from '../../shared/collect-garbage.js'
import { ConvoyError } from '../../shared/errors.js'
import { chunksOf, VectorAssembly, verifyChunk } from '../../shared/protocol/chunks.js'
import type { Chunk, Refusal, SamplesRequest, UnsealedChunk, WeightsRequest } from '../../shared/protocol/messages.js'
import { receiveInPieces } from '../../shared/protocol/message-pieces.js'
import { markResult } from '../result-marks.js'
import type { WeightsStore } from '../weights-store.js'
import type { WorkerPool } from '../worker-pool.js'
import { callerOf, toStatus } from './caller.js'
import type { SharedResults } from './shared-results.js'
import { whyDropped } from './why-dropped.js'

export interface DataServiceOptions {
  readonly pool: WorkerPool
  readonly weights: WeightsStore
  /** Of what workers may fetch from the cache. */
  readonly fingerprints: readonly string[]
  readonly sharedResults: SharedResults
  /** Called when a worker begins to send results, with the `address:port` of its connection. */
  readonly onWorker: (peer: string) => void
}

/** Data of proto/convoy.proto: weights down, results up, samples down. A handler that throws answers with a status. */
export function dataService(options: DataServiceOptions): grpc.UntypedServiceImplementation {
  const { pool, fingerprints } = options
  markGarbageInOneGo()
  return {
    weights(stream: grpc.ServerDuplexStream<WeightsRequest, UnsealedChunk>): void {
      serve(stream, async (signal) => {
        const worker = callerOf(pool.connections, stream)
        for await (const request of stream as AsyncIterable<WeightsRequest>) {
          if (request.shared) {
            options.weights.share()
            continue
          }
          const { version, bytes } = await options.weights.newerThan(request.haveVersion, signal)
          for (const chunk of chunksOf(version, bytes)) await write(stream, chunk, signal)
          pool.connections.sent(worker, 'weights', bytes.length)
        }
      })
    },

    results(stream: grpc.ServerDuplexStream<Chunk, Refusal>): void {
      serve(stream, async (signal) => {
        const worker = callerOf(pool.connections, stream)
        options.onWorker(stream.getPeer())
        receiveInPieces(stream)
        await takeResults(options, worker, stream, signal)
      })
    },

    samples(stream: grpc.ServerWritableStream<SamplesRequest, UnsealedChunk>): void {
      serve(stream, async (signal) => {
        const worker = callerOf(pool.connections, stream)
        const { fingerprint } = stream.request
        if (!fingerprints.includes(fingerprint)) {
          throw new ConvoyError('protocol', 'Only the data set and the frozen weights of this run are served.')
        }
        const { totalBytes, blocks } = await readPackedDataset(fingerprint)
        let offset = 0
        for await (const block of blocks) {
          const bytes = Buffer.from(block.buffer, block.byteOffset, block.length)
          for (const chunk of chunksOf(0, bytes, offset, totalBytes)) await write(stream, chunk, signal)
          offset += block.length
          pool.connections.sent(worker, 'samples', block.length)
        }
      })
    },
  }
}

/** Hands a worker's results to the pool until its stream ends, and then drops the worker: without the stream it is of no use. */
async function takeResults(
  options: DataServiceOptions,
  worker: number,
  stream: grpc.ServerDuplexStream<Chunk, Refusal>,
  signal: AbortSignal,
): Promise<void> {
  const { pool, sharedResults } = options
  const shared = (lease: number): Refusal | undefined => sharedResults.take(worker, lease)
  let why = { reason: 'connection lost', isOwnFault: false }
  try {
    for await (const refusal of receive(pool, worker, stream as AsyncIterable<Chunk>, shared)) {
      await write(stream, refusal, signal)
    }
  } catch (error) {
    if (!signal.aborted) why = whyDropped(error)
    throw error
  } finally {
    // A worker that cannot deliver, or whose bytes do not arrive as they were sent, joins again over a new connection.
    pool.connections.drop(worker, why.reason, why.isOwnFault)
    sharedResults.remove(worker)
  }
}

/** Puts results together and hands them to the pool; yields the rejections. @param takeShared a result that lies in memory */
async function* receive(
  pool: WorkerPool,
  worker: number,
  chunks: AsyncIterable<Chunk>,
  takeShared: (lease: number) => Refusal | undefined,
): AsyncGenerator<Refusal> {
  let assembly: VectorAssembly<Float32Array> | undefined
  for await (const chunk of chunks) {
    if (chunk.shared) {
      verifyChunk(chunk, `worker ${worker}`)
      const refusal = takeShared(chunk.id)
      if (refusal) yield refusal
      continue
    }
    if (assembly === undefined) {
      markResult('there', worker)
      const expected = pool.expected(worker, chunk.id)
      if (expected === undefined) {
        verifyChunk(chunk, `worker ${worker}`)
        // A stale result is read to its end and forgotten.
        if (chunk.offset + chunk.length >= chunk.total)
          yield pool.reject(worker, chunk.id, { code: 'stale', reason: 'stale' })
        continue
      }
      const room = pool.vectors.take(expected.vectorLength)
      assembly = new VectorAssembly(chunk, room, `worker ${worker}`, expected.rounded)
    }
    const vector = assembly.add(chunk)
    if (vector === undefined) continue
    assembly = undefined
    const refusal = pool.result(worker, chunk.id, vector, false, chunk.total)
    if (refusal) yield refusal
  }
}

type ServerStream = grpc.ServerDuplexStream<never, never> | grpc.ServerWritableStream<never, never>

/** Runs a streaming handler: ends the stream after it, answers an error with a status, aborts it when the peer leaves. */
function serve(stream: unknown, handler: (signal: AbortSignal) => Promise<void>): void {
  const call = stream as ServerStream
  const abort = new AbortController()
  call.on('cancelled', () => {
    abort.abort()
  })
  call.on('error', () => {
    abort.abort()
  })
  handler(abort.signal).then(
    () => {
      call.end()
    },
    (error: unknown) => {
      if (!abort.signal.aborted) call.emit('error', toStatus(error))
    },
  )
}

/** Writes one message and waits for room when the peer reads slowly. */
async function write<Message>(
  stream: { write(message: Message): boolean } & NodeJS.EventEmitter,
  message: Message,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted()
  if (!stream.write(message)) await once(stream, 'drain', { signal })
}
