import { once } from 'node:events'
import type * as grpc from '@grpc/grpc-js'
import { readPackedDataset } from '../../data/cache/packed-cache.js'
import { ConvoyError } from '../../shared/errors.js'
import { chunksOf, VectorAssembly, verifyChunk } from '../../shared/protocol/chunks.js'
import type { Chunk, Refusal, SamplesRequest, WeightsRequest } from '../../shared/protocol/messages.js'
import type { SharedFiles } from '../../shared/shared-files.js'
import { resultFile } from '../../shared/shared-files.js'
import type { WeightsStore } from '../weights-store.js'
import type { WorkerPool } from '../worker-pool.js'
import { callerOf, toStatus } from './caller.js'

/**
 * Data of proto/convoy.proto: weights down, results up, samples down. A handler that throws answers with a status.
 * @param fingerprints of what workers may fetch from the cache
 */
export function dataService(
  pool: WorkerPool,
  weightsStore: WeightsStore,
  fingerprints: readonly string[],
  sharedFiles: SharedFiles | undefined,
  onShared: (bytes: number) => void,
): grpc.UntypedServiceImplementation {
  return {
    weights(stream: grpc.ServerDuplexStream<WeightsRequest, Chunk>): void {
      serve(stream, async (signal) => {
        const worker = callerOf(pool.connections, stream)
        for await (const request of stream as AsyncIterable<WeightsRequest>) {
          if (request.shared) {
            weightsStore.share()
            continue
          }
          const { version, bytes } = await weightsStore.newerThan(request.haveVersion, signal)
          for (const chunk of chunksOf(version, bytes)) await write(stream, chunk, signal)
          pool.connections.sent(worker, 'weights', bytes.length)
        }
      })
    },

    results(stream: grpc.ServerDuplexStream<Chunk, Refusal>): void {
      serve(stream, async (signal) => {
        const worker = callerOf(pool.connections, stream)
        await takeResults(pool, worker, stream, signal, sharedFiles, onShared)
      })
    },

    samples(stream: grpc.ServerWritableStream<SamplesRequest, Chunk>): void {
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
  pool: WorkerPool,
  worker: number,
  stream: grpc.ServerDuplexStream<Chunk, Refusal>,
  signal: AbortSignal,
  sharedFiles: SharedFiles | undefined,
  onShared: (bytes: number) => void,
): Promise<void> {
  const shared = (lease: number): Refusal | undefined => takeShared(pool, worker, lease, sharedFiles, onShared)
  let reason = 'connection lost'
  let isOwnFault = false
  try {
    for await (const refusal of receive(pool, worker, stream as AsyncIterable<Chunk>, shared)) {
      await write(stream, refusal, signal)
    }
  } catch (error) {
    const { code, message } = ConvoyError.from(error)
    isOwnFault = !signal.aborted && code !== 'protocol'
    if (isOwnFault) reason = `the coordinator could not take its result: ${message}`
    else if (!signal.aborted) reason = 'sent a malformed result'
    throw error
  } finally {
    // A worker that cannot deliver, or whose bytes do not arrive as they were sent, joins again over a new connection.
    pool.connections.drop(worker, reason, isOwnFault)
    sharedFiles?.remove(resultFile(worker))
  }
}

/** Takes the result of a lease from memory that the worker shares. @returns why it is not used, if so */
function takeShared(
  pool: WorkerPool,
  worker: number,
  lease: number,
  sharedFiles: SharedFiles | undefined,
  onShared: (bytes: number) => void,
): Refusal | undefined {
  const length = pool.expectedLength(worker, lease)
  if (length === undefined) return pool.reject(worker, lease, { code: 'stale', reason: 'stale' })
  const vector = pool.vectors.take(length)
  // The coordinator makes the name: no peer chooses the file that is read. The worker writes over it when it has computed its next
  // lease, which it gets after this one was read or revoked.
  if (!sharedFiles?.read(resultFile(worker), vector, pool.sliceThreads.fill))
    throw new ConvoyError('protocol', `worker ${worker} shares no file`)
  onShared(vector.byteLength)
  return pool.result(worker, lease, vector)
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
      const length = pool.expectedLength(worker, chunk.id)
      if (length === undefined) {
        verifyChunk(chunk, `worker ${worker}`)
        // A stale result is read to its end and forgotten.
        if (chunk.offset + chunk.data.length >= chunk.total)
          yield pool.reject(worker, chunk.id, { code: 'stale', reason: 'stale' })
        continue
      }
      assembly = new VectorAssembly(chunk, pool.vectors.take(length), `worker ${worker}`)
    }
    const vector = assembly.add(chunk)
    if (vector === undefined) continue
    assembly = undefined
    const refusal = pool.result(worker, chunk.id, vector)
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
