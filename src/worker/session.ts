import { once } from 'node:events'
import os from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import * as grpc from '@grpc/grpc-js'
import { hasPackedDataset, writePackedDataset } from '../data/cache/packed-cache.js'
import type { DeviceDescription } from '../tensorflow/engine/engine.js'
import { workerShortage } from '../model/memory-need.js'
import type { WorkerStats } from '../metrics/worker-stats.js'
import type { RunDescription } from '../model/run-description.js'
import { ConvoyError } from '../shared/errors.js'
import { whyNotReached } from '../shared/own-shortage.js'
import { bytesOf, chunksOf, sharedChunk, verifyChunk, VectorAssembly } from '../shared/protocol/chunks.js'
import type { Log, Logger } from '../shared/log/log.js'
import type {
  Chunk,
  FromCoordinator,
  FromWorker,
  JoinReply,
  JoinRequest,
  Refusal,
  WeightsRequest,
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
  /** Called with the stats of each heartbeat that is sent. */
  readonly onHeartbeat: (stats: WorkerStats) => void
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
    return await new Membership(options, reply, control, data).untilFinished()
  } finally {
    thread.listen()
    control.close()
    data.close()
  }
}

type WeightsStream = grpc.ClientDuplexStream<WeightsRequest, Chunk>
type ResultsStream = grpc.ClientDuplexStream<Chunk, Refusal>

/** The streams of a joined worker. */
class Membership {
  readonly #options: SessionOptions
  readonly #log: Logger
  readonly #reply: JoinReply
  readonly #description: RunDescription
  readonly #data: DataClient
  readonly #metadata = new grpc.Metadata()
  readonly #work: grpc.ClientDuplexStream<FromWorker, FromCoordinator>
  /** All of them, to be cancelled at the end. */
  readonly #streams: (grpc.ClientDuplexStream<never, never> | grpc.ClientReadableStream<never>)[] = []
  readonly #stats: HeartbeatStats
  readonly #end = new AbortController()
  #assembly: VectorAssembly<Float32Array<ArrayBuffer>> | undefined
  /** Results wait for each other: the next one's chunks must not mix with this one's. */
  #sending = Promise.resolve()
  #isNotSharedReported = false
  #heartbeats: NodeJS.Timeout | undefined
  #finish: (reason: string) => void = () => undefined
  #fail: (error: unknown) => void = () => undefined

  constructor(options: SessionOptions, reply: JoinReply, control: ControlClient, data: DataClient) {
    this.#options = options
    this.#log = options.log.module('worker')
    this.#reply = reply
    this.#description = JSON.parse(reply.run) as RunDescription
    this.#data = data
    this.#metadata.set(WORKER_KEY, String(reply.worker))
    this.#metadata.set(SESSION_KEY, reply.session)
    this.#work = this.#opened(control.work(this.#metadata))
    this.#stats = new HeartbeatStats(options.device, options.log.module('compute').warn)
  }

  /** Settles when the coordinator says finish, or with the first thing that breaks. */
  async untilFinished(): Promise<string> {
    try {
      return await new Promise<string>((resolve, reject) => {
        this.#finish = resolve
        this.#fail = (error) => {
          reject(fromStatus(error, this.#options.address))
        }
        this.#begin()
      })
    } catch (thrown) {
      await this.#lastWords(ConvoyError.from(thrown))
      throw thrown
    } finally {
      this.#close()
    }
  }

  #begin(): void {
    const { thread, leaveSignal } = this.#options
    thread.listen({ onMessage: () => undefined, onBroken: this.#fail })
    // With the first heartbeat: who is killed says nothing any more.
    const shortage = workerShortage(this.#description.dataset)
    if (shortage) this.#log.warn(shortage)
    this.#beat()
    this.#heartbeats = setInterval(() => {
      this.#beat()
    }, this.#reply.heartbeatMs)
    this.#work.on('error', this.#fail)
    this.#work.on('end', () => {
      this.#fail(new ConvoyError('unavailable', `The coordinator at ${this.#options.address} closed the connection.`))
    })
    this.#work.on('data', (message: FromCoordinator) => {
      this.#receive(message)
    })
    leaveSignal.addEventListener('abort', this.#leave, { once: true })
    if (leaveSignal.aborted) this.#leave()
    this.#prepare().catch(this.#fail)
  }

  #receive(message: FromCoordinator): void {
    const { thread } = this.#options
    if (message.lease) thread.send({ kind: 'lease', lease: message.lease })
    else if (message.revoke) thread.send({ kind: 'revoke', lease: message.revoke.lease })
    else if (message.finish) this.#finish(message.finish.reason)
  }

  #beat(): void {
    const heartbeat = this.#stats.take()
    this.#options.onHeartbeat(heartbeat)
    this.#work.write({ heartbeat })
    const logs = this.#options.relay?.take()
    if (logs) this.#work.write({ logs })
  }

  readonly #leave = (): void => {
    this.#work.write({ leaving: {} })
  }

  /** Data set, compute thread, streams for vectors; then leases may come. */
  async #prepare(): Promise<void> {
    const { thread, onReady } = this.#options
    await this.#fetchDataset()
    const shared = await this.#prepareThread()
    const weights = this.#opened(this.#data.weights(this.#metadata))
    const results = this.#opened(this.#data.results(this.#metadata))
    results.on('error', this.#fail)
    results.on('data', ({ lease, code, reason }: Refusal) => {
      if (code !== 'stale') this.#log.warn(`Result of lease ${lease} refused: ${reason}.`)
    })
    weights.on('error', this.#fail)
    weights.on('data', (chunk: Chunk) => {
      this.#receiveWeights(chunk)
    })
    weights.write({ haveVersion: 0, shared })
    thread.listen({
      onMessage: (message) => {
        this.#computed(message, weights, results)
      },
      onBroken: this.#fail,
    })
    this.#work.write({ ready: {} })
    onReady()
  }

  async #fetchDataset(): Promise<void> {
    const { dataset } = this.#description
    if (hasPackedDataset(dataset.fingerprint)) return
    this.#log.info(`Fetching the data set ${dataset.name} from the coordinator.`)
    const samples = this.#opened(this.#data.samples({ fingerprint: dataset.fingerprint }, this.#metadata))
    // At once: it may be refused before anything is read from it.
    samples.on('error', this.#fail)
    await writePackedDataset(dataset, blocksOf(samples))
    this.#end.signal.throwIfAborted()
  }

  /** @returns whether vectors travel through memory */
  async #prepareThread(): Promise<boolean> {
    const { thread, sharedMemory } = this.#options
    const { worker, sharedFiles } = this.#reply
    const offer = sharedMemory && sharedFiles ? sharedFiles : undefined
    const { shared, whyNotShared } = await thread.prepare({
      description: this.#description,
      worker,
      sharedFiles: offer,
    })
    // The thread may have another listener by now.
    this.#end.signal.throwIfAborted()
    if (whyNotShared !== undefined) this.#log.warn(`Vectors travel over the network: ${whyNotShared}`)
    else if (offer && !shared)
      this.#log.info('The coordinator runs elsewhere or for another user: vectors travel over the network.')
    return shared
  }

  #receiveWeights(chunk: Chunk): void {
    try {
      const { weightCount } = this.#description.model.layout
      this.#assembly ??= new VectorAssembly(chunk, new Float32Array(weightCount), 'weights')
      const weights = this.#assembly.add(chunk)
      if (weights === undefined) return
      this.#assembly = undefined
      this.#options.thread.send({ kind: 'weights', version: chunk.id, weights })
    } catch (error) {
      this.#fail(error)
    }
  }

  /** The compute thread said something. */
  #computed(message: FromCompute, weights: WeightsStream, results: ResultsStream): void {
    switch (message.kind) {
      case 'progress':
        this.#stats.progress(message.shardsDone, message.tensors, message.tensorBytes)
        break
      case 'phases':
        this.#stats.phases(message.phases)
        break
      case 'want-weights':
        weights.write({ haveVersion: message.haveVersion, shared: false })
        break
      case 'result':
        this.#reportNotShared(message.whyNotShared)
        this.#sending = this.#sending.then(() => send(results, message, this.#stats)).catch(this.#fail)
        break
      case 'failed':
        this.#work.write({ failed: { lease: message.lease, reason: message.reason } })
        break
      case 'device':
      case 'prepared':
        break
    }
  }

  #reportNotShared(why: string | undefined): void {
    if (why === undefined || this.#isNotSharedReported) return
    this.#isNotSharedReported = true
    this.#log.warn(`Results travel over the network: ${why}`)
  }

  /** What joining again does not cure ends this worker: others should know why before they notice that it is gone. */
  async #lastWords({ code, message }: ConvoyError): Promise<void> {
    const { relay } = this.#options
    if (relay === undefined || code === 'unavailable' || code === 'protocol') return
    relay.write({ timeMs: Date.now(), level: 'error', module: 'compute', message })
    const logs = relay.take()
    if (logs)
      await Promise.race([
        new Promise((resolve) => this.#work.write({ logs }, resolve)),
        delay(LAST_WORDS_MS, undefined, { ref: false }),
      ])
  }

  #opened<Stream>(stream: Stream): Stream {
    this.#streams.push(stream as never)
    return stream
  }

  #close(): void {
    this.#end.abort()
    clearInterval(this.#heartbeats)
    this.#stats.close()
    this.#options.leaveSignal.removeEventListener('abort', this.#leave)
    for (const stream of this.#streams) {
      stream.on('error', () => undefined)
      stream.cancel()
    }
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

async function send(
  results: ResultsStream,
  { lease, bytes, vector }: Extract<FromCompute, { kind: 'result' }>,
  stats: HeartbeatStats,
): Promise<void> {
  const startedMs = performance.now()
  const chunks = vector ? chunksOf(lease, bytesOf(vector)) : [sharedChunk(lease, bytes)]
  for (const chunk of chunks) if (!results.write(chunk)) await once(results, 'drain')
  stats.times.record('send', (performance.now() - startedMs) / 1000)
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
