import { once } from 'node:events'
import os from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import * as grpc from '@grpc/grpc-js'
import { hasPackedDataset, writePackedDataset } from '../data/cache/packed-cache.js'
import type { DeviceDescription } from '../tensorflow/engine/engine.js'
import { workerShortage } from '../model/memory-need.js'
import type { RunDescription } from '../model/run-description.js'
import { ConvoyError } from '../shared/errors.js'
import { whyNotReached } from '../shared/own-shortage.js'
import { bytesOf, chunksOf, sharedChunk, verifyChunk, VectorAssembly } from '../shared/protocol/chunks.js'
import type { Log } from '../shared/log/log.js'
import type {
  Chunk,
  FromCoordinator,
  FromWorker,
  Heartbeat,
  JoinReply,
  JoinRequest,
  Refusal,
} from '../shared/protocol/messages.js'
import { PROTOCOL_VERSION } from '../shared/protocol/messages.js'
import {
  CHANNEL_OPTIONS,
  Control,
  CONTROL_OPTIONS,
  Data,
  SESSION_KEY,
  WORKER_KEY,
} from '../shared/protocol/services.js'
import type { ControlClient, DataClient } from '../shared/protocol/services.js'
import type { FromCompute } from './compute-messages.js'
import type { ComputeThread } from './compute-thread.js'
import type { LogRelay } from './log-relay.js'
import { HeartbeatStats } from './heartbeat-stats.js'

export interface SessionOptions {
  /** `host:port` of the coordinator. */
  readonly address: string
  readonly name: string
  /** Of this process. */
  readonly incarnation: string
  readonly device: DeviceDescription
  readonly thread: ComputeThread
  /** Exchange vectors through memory with a coordinator on this machine. */
  readonly sharedMemory: boolean
  readonly log: Log
  /** What the coordinator shall hear of the log; absent: nothing. */
  readonly relay: LogRelay | undefined
  /** Fires when the worker shall leave: the lease in work is finished first. */
  readonly leaveSignal: AbortSignal
  /** Told the name of the run that it joined, before the first heartbeat. */
  readonly onJoined: (run: string) => void
  /** Sees each heartbeat that is sent. */
  readonly onHeartbeat: (heartbeat: Heartbeat) => void
  /** Leases may come from now on. */
  readonly onReady: () => void
}

const JOIN_DEADLINE_MS = 5_000
/** For the last lines of the log to get out. */
const LAST_WORDS_MS = 1_000

/**
 * One membership in a run, from join to the coordinator's `finish`.
 * @returns the coordinator's reason to finish
 * @throws ConvoyError('unavailable') when the connection cannot be made or breaks: joining again may help;
 * ConvoyError('incompatible') when this worker is not wanted; whatever the compute thread failed with
 */
export async function session(options: SessionOptions): Promise<string> {
  const { address, thread, relay } = options
  const credentials = grpc.credentials.createInsecure()
  const control = new Control(address, credentials, CONTROL_OPTIONS)
  // A connection of its own: heartbeats never queue behind bulk.
  const data = new Data(address, credentials, CHANNEL_OPTIONS)
  try {
    const reply = await join(control, options)
    relay?.setLevel(reply.logLevel)
    options.onJoined(reply.runName)
    const metadata = new grpc.Metadata()
    metadata.set(WORKER_KEY, String(reply.worker))
    metadata.set(SESSION_KEY, reply.session)
    const description = JSON.parse(reply.run) as RunDescription
    return await member(options, reply, description, control, data, metadata)
  } finally {
    thread.listen()
    control.close()
    data.close()
  }
}

async function join(client: ControlClient, { name, incarnation, device, address }: SessionOptions): Promise<JoinReply> {
  const request: JoinRequest = {
    ...{ protocol: PROTOCOL_VERSION, name, device: { ...device }, incarnation },
    host: os.hostname(),
  }
  const call = promisify<JoinRequest, grpc.Metadata, grpc.CallOptions, JoinReply | undefined>(client.join.bind(client))
  try {
    const reply = await call(request, new grpc.Metadata(), { deadline: Date.now() + JOIN_DEADLINE_MS })
    if (reply === undefined) throw new ConvoyError('protocol', `${address} answered the join with nothing.`)
    return reply
  } catch (error) {
    throw fromStatus(error, address)
  }
}

/** The streams of a joined worker. Settles when the coordinator says finish, or with the first thing that breaks. */
async function member(
  options: SessionOptions,
  { worker, heartbeatMs, sharedFiles }: JoinReply,
  description: RunDescription,
  control: ControlClient,
  data: DataClient,
  metadata: grpc.Metadata,
): Promise<string> {
  const { thread, address, log, relay, leaveSignal, onHeartbeat, onReady } = options
  const { info, warn } = log.module('worker')
  const work = control.work(metadata)
  const streams: (grpc.ClientDuplexStream<never, never> | grpc.ClientReadableStream<never>)[] = [work as never]
  const heartbeatStats = new HeartbeatStats(options.device, log.module('compute').warn)
  const end = new AbortController()
  const over = end.signal
  let heartbeats: NodeJS.Timeout | undefined
  let onLeave: (() => void) | undefined
  try {
    return await new Promise<string>((resolve, reject) => {
      const fail = (error: unknown): void => {
        reject(fromStatus(error, address))
      }
      const beat = (): void => {
        const heartbeat = heartbeatStats.heartbeat()
        onHeartbeat(heartbeat)
        work.write({ heartbeat })
        const logs = relay?.take()
        if (logs) work.write({ logs })
      }
      thread.listen({ onMessage: () => undefined, onBroken: fail })
      // With the first heartbeat: who is killed says nothing any more.
      const shortage = workerShortage(description.dataset)
      if (shortage) warn(shortage)
      beat()
      heartbeats = setInterval(beat, heartbeatMs)
      work.on('error', fail)
      work.on('end', () => {
        fail(new ConvoyError('unavailable', `The coordinator at ${address} closed the connection.`))
      })
      work.on('data', (message: FromCoordinator) => {
        if (message.lease) thread.send({ kind: 'lease', lease: message.lease })
        else if (message.revoke) thread.send({ kind: 'revoke', lease: message.revoke.lease })
        else if (message.finish) resolve(message.finish.reason)
      })
      onLeave = () => {
        work.write({ leaving: {} })
      }
      leaveSignal.addEventListener('abort', onLeave, { once: true })
      if (leaveSignal.aborted) onLeave()

      const begin = async (): Promise<void> => {
        if (!hasPackedDataset(description.dataset.fingerprint)) {
          info(`Fetching the data set ${description.dataset.name} from the coordinator.`)
          const samples = data.samples({ fingerprint: description.dataset.fingerprint }, metadata)
          streams.push(samples as never)
          // At once: it may be refused before anything is read from it.
          samples.on('error', fail)
          await writePackedDataset(description.dataset, blocksOf(samples))
          over.throwIfAborted()
        }
        const offer = options.sharedMemory && sharedFiles ? sharedFiles : undefined
        const { shared, whyNotShared } = await thread.prepare({ description, worker, sharedFiles: offer })
        // The thread may have another listener by now.
        over.throwIfAborted()
        if (whyNotShared !== undefined) warn(`Vectors travel over the network: ${whyNotShared}`)
        else if (offer && !shared)
          info('The coordinator runs elsewhere or for another user: vectors travel over the network.')

        const weights = data.weights(metadata)
        const results = data.results(metadata)
        streams.push(weights as never, results as never)
        results.on('error', fail)
        results.on('data', ({ lease, reason }: Refusal) => {
          if (reason !== 'stale') warn(`Result of lease ${lease} refused: ${reason}.`)
        })
        weights.on('error', fail)
        let assembly: VectorAssembly<Float32Array<ArrayBuffer>> | undefined
        weights.on('data', (chunk: Chunk) => {
          try {
            assembly ??= new VectorAssembly(chunk, new Float32Array(description.model.layout.weightCount), 'weights')
            const vector = assembly.add(chunk)
            if (vector === undefined) return
            assembly = undefined
            thread.send({ kind: 'weights', version: chunk.id, weights: vector })
          } catch (error) {
            fail(error)
          }
        })
        weights.write({ haveVersion: 0, shared })

        // Results wait for each other: the next one's chunks must not mix with this one's.
        let sending = Promise.resolve()
        let isNotSharedSaid = false
        const onMessage = (message: FromCompute): void => {
          switch (message.kind) {
            case 'progress':
              heartbeatStats.progress(message.shardsDone, message.tensors, message.tensorBytes)
              break
            case 'phases':
              heartbeatStats.phases(message.phases)
              break
            case 'want-weights':
              weights.write({ haveVersion: message.haveVersion, shared: false })
              break
            case 'result':
              if (message.whyNotShared !== undefined && !isNotSharedSaid) {
                isNotSharedSaid = true
                warn(`Results travel over the network: ${message.whyNotShared}`)
              }
              sending = sending.then(() => send(results, message, heartbeatStats)).catch(fail)
              break
            case 'failed':
              work.write({ failed: { lease: message.lease, reason: message.reason } })
              break
            case 'device':
            case 'prepared':
              break
          }
        }
        thread.listen({ onMessage, onBroken: fail })
        work.write({ ready: {} })
        onReady()
      }
      begin().catch(fail)
    })
  } catch (thrown) {
    const { code, message } = ConvoyError.from(thrown)
    // What joining again does not cure ends this worker: others should know why before they notice that it is gone.
    if (relay && code !== 'unavailable' && code !== 'protocol') {
      relay.write({ timeMs: Date.now(), level: 'error', module: 'compute', message })
      await lastWords(work, relay)
    }
    throw thrown
  } finally {
    end.abort()
    clearInterval(heartbeats)
    heartbeatStats.close()
    if (onLeave) leaveSignal.removeEventListener('abort', onLeave)
    for (const stream of streams) {
      stream.on('error', () => undefined)
      stream.cancel()
    }
  }
}

async function lastWords(work: grpc.ClientDuplexStream<FromWorker, FromCoordinator>, relay: LogRelay): Promise<void> {
  const logs = relay.take()
  if (logs)
    await Promise.race([
      new Promise((resolve) => work.write({ logs }, resolve)),
      delay(LAST_WORDS_MS, undefined, { ref: false }),
    ])
}

async function send(
  results: grpc.ClientDuplexStream<Chunk, Refusal>,
  { lease, bytes, vector }: Extract<FromCompute, { kind: 'result' }>,
  heartbeatStats: HeartbeatStats,
): Promise<void> {
  const startedMs = performance.now()
  const chunks = vector ? chunksOf(lease, bytesOf(vector)) : [sharedChunk(lease, bytes)]
  for (const chunk of chunks) if (!results.write(chunk)) await once(results, 'drain')
  heartbeatStats.times.record('send', (performance.now() - startedMs) / 1000)
}

async function* blocksOf(stream: AsyncIterable<Chunk>): AsyncGenerator<Uint8Array> {
  let offset = 0
  for await (const chunk of stream) {
    if (chunk.offset !== offset) throw new ConvoyError('protocol', `samples: a gap at byte ${offset}`)
    verifyChunk(chunk, 'samples')
    offset += chunk.data.length
    yield chunk.data
  }
}

function fromStatus(thrown: unknown, address: string): ConvoyError {
  if (thrown instanceof ConvoyError) return thrown
  const { code, details } = thrown as grpc.ServiceError
  switch (code) {
    case grpc.status.FAILED_PRECONDITION:
      return new ConvoyError('incompatible', details, { cause: thrown })
    case grpc.status.UNAVAILABLE:
    case grpc.status.DEADLINE_EXCEEDED:
    case grpc.status.CANCELLED:
      return new ConvoyError('unavailable', whyNotReached(address, details), { cause: thrown })
    default:
      return new ConvoyError('unavailable', `The coordinator at ${address} broke off: ${details || String(thrown)}`, {
        cause: thrown,
      })
  }
}
