import { setTimeout as delay } from 'node:timers/promises'
import * as grpc from '@grpc/grpc-js'
import type { WorkerStats } from '../metrics/worker-stats.js'
import { workerShortage } from '../model/memory-need.js'
import type { RunDescription } from '../model/run-description.js'
import { ConvoyError } from '../shared/errors.js'
import type { Log, Logger } from '../shared/log/log.js'
import type { FromCoordinator, FromWorker, JoinReply } from '../shared/protocol/messages.js'
import {
  CHANNEL_OPTIONS,
  Control,
  CONTROL_OPTIONS,
  Data,
  SESSION_KEY,
  WORKER_KEY,
} from '../shared/protocol/services.js'
import type { ControlClient, DataClient } from '../shared/protocol/services.js'
import type { DeviceDescription } from '../tensorflow/engine/engine.js'
import type { FromCompute } from './compute-messages.js'
import type { Computer } from './computer.js'
import { DataStreams } from './data-streams.js'
import { HeartbeatStats } from './heartbeat-stats.js'
import { connectionError, joinRun } from './join-run.js'
import type { LogRelay } from './log-relay.js'
import { OpenStreams } from './open-streams.js'

export interface SessionOptions {
  /** `host:port` of the coordinator. */
  readonly address: string
  readonly name: string
  /** Of this process. */
  readonly incarnation: string
  readonly device: DeviceDescription
  readonly computer: Computer
  /** Exchange vectors through memory with a coordinator on this machine. */
  readonly sharedMemory: boolean
  readonly log: Log
  /** Log lines for the coordinator; undefined: none are sent. */
  readonly relay: LogRelay | undefined
  /** Fires when the worker must leave; it finishes its lease first. */
  readonly leaveSignal: AbortSignal
  /** Called with the answer to the join, before the first heartbeat. */
  readonly onJoined: (reply: JoinReply) => void
  /** Called with the stats of each heartbeat that is sent. */
  readonly onHeartbeat: (stats: WorkerStats) => void
  /** The worker is ready: leases may come from now on. */
  readonly onReady: () => void
}

/** Most time to send the last log lines. */
const LAST_LINES_MS = 1_000

/**
 * One membership in a run, from join to the coordinator's `finish`.
 * @returns the coordinator's reason to finish
 * @throws ConvoyError('unavailable') when the connection cannot be made or breaks: joining again may help;
 * ConvoyError('incompatible') when the coordinator rejects this worker; the error of the computer when that fails
 */
export async function session(options: SessionOptions): Promise<string> {
  const { address, computer, relay } = options
  const credentials = grpc.credentials.createInsecure()
  const control = new Control(address, credentials, CONTROL_OPTIONS)
  // A connection of its own: heartbeats never queue behind bulk.
  const data = new Data(address, credentials, CHANNEL_OPTIONS)
  try {
    const reply = await joinRun(control, address, options)
    relay?.setLevel(reply.logLevel)
    options.onJoined(reply)
    return await new Membership(options, reply, control, data).untilFinished()
  } finally {
    computer.listen()
    control.close()
    data.close()
  }
}

/** A worker that joined: carries messages between the coordinator and what computes. */
class Membership {
  readonly #options: SessionOptions
  readonly #log: Logger
  readonly #reply: JoinReply
  readonly #description: RunDescription
  readonly #data: DataStreams
  readonly #work: grpc.ClientDuplexStream<FromWorker, FromCoordinator>
  readonly #streams = new OpenStreams()
  readonly #stats: HeartbeatStats
  readonly #end = new AbortController()
  #isNotSharedReported = false
  #heartbeats: NodeJS.Timeout | undefined
  #finish: (reason: string) => void = () => undefined
  #fail: (error: unknown) => void = () => undefined

  constructor(options: SessionOptions, reply: JoinReply, control: ControlClient, data: DataClient) {
    this.#options = options
    this.#log = options.log.module('worker')
    this.#reply = reply
    this.#description = JSON.parse(reply.run) as RunDescription
    const metadata = new grpc.Metadata()
    metadata.set(WORKER_KEY, String(reply.worker))
    metadata.set(SESSION_KEY, reply.session)
    this.#work = this.#streams.add(control.work(metadata))
    this.#stats = new HeartbeatStats(
      options.computer.isHere && options.device.kind === 'gpu',
      options.log.module('compute').warn,
    )
    this.#data = new DataStreams({
      ...{ client: data, metadata, description: this.#description, streams: this.#streams, log: this.#log },
      onWeights: (version, weights) => {
        options.computer.send({ kind: 'weights', version, weights })
      },
      onSent: (seconds) => {
        this.#stats.times.record('send', seconds)
      },
      onError: (error) => {
        this.#fail(error)
      },
    })
  }

  /** Settles when the coordinator sends `finish`. @throws the first error of a stream or of the computer */
  async untilFinished(): Promise<string> {
    try {
      return await new Promise<string>((resolve, reject) => {
        this.#finish = resolve
        this.#fail = (error) => {
          reject(connectionError(error, this.#options.address))
        }
        this.#begin()
      })
    } catch (thrown) {
      await this.#sendLastLines(ConvoyError.from(thrown))
      throw thrown
    } finally {
      this.#close()
    }
  }

  #begin(): void {
    const { computer, leaveSignal } = this.#options
    computer.listen({ onMessage: () => undefined, onBroken: this.#fail })
    // Sent with the first heartbeat: a worker that is killed cannot log any more.
    const shortage = computer.isHere && workerShortage(this.#description.dataset)
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
    const { computer } = this.#options
    if (message.lease) computer.send({ kind: 'lease', lease: message.lease })
    else if (message.revoke) computer.send({ kind: 'revoke', lease: message.revoke.lease })
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

  /** Data set, computer, streams for vectors; then leases may come. */
  async #prepare(): Promise<void> {
    const { computer, onReady } = this.#options
    await this.#data.fetchData()
    this.#end.signal.throwIfAborted()
    this.#data.open(await this.#prepareComputer())
    computer.listen({
      onMessage: (message) => {
        this.#receiveFromComputer(message)
      },
      onBroken: this.#fail,
    })
    this.#work.write({ ready: {} })
    onReady()
  }

  /** @returns whether vectors travel through memory */
  async #prepareComputer(): Promise<boolean> {
    const { computer, sharedMemory } = this.#options
    const { worker, session: secret, sharedFiles } = this.#reply
    const offer = sharedMemory && sharedFiles ? sharedFiles : undefined
    const { shared, sharingProblem } = await computer.prepare({
      description: this.#description,
      worker,
      session: secret,
      sharedFiles: offer,
    })
    // The membership may be over, and the computer have another listener.
    this.#end.signal.throwIfAborted()
    if (sharingProblem !== undefined) this.#log.warn(`Vectors travel over the network: ${sharingProblem}`)
    else if (offer && !shared)
      this.#log.info('The coordinator runs elsewhere or for another user: vectors travel over the network.')
    return shared
  }

  #receiveFromComputer(message: FromCompute): void {
    switch (message.kind) {
      case 'progress':
        this.#stats.progress(message)
        break
      case 'want-weights':
        this.#data.requestWeights(message.haveVersion, message.spare)
        break
      case 'result':
        this.#reportNotShared(message.sharingProblem)
        this.#data.send(message)
        break
      case 'refused':
        this.#data.refused(message.refusal)
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

  /** An error that a new join cannot solve ends this worker: the coordinator gets the reason before the connection closes. */
  async #sendLastLines({ code, message }: ConvoyError): Promise<void> {
    const { relay } = this.#options
    if (relay === undefined || code === 'unavailable' || code === 'protocol') return
    relay.write({ timeMs: Date.now(), level: 'error', module: 'compute', message })
    const logs = relay.take()
    if (logs)
      await Promise.race([
        new Promise((resolve) => this.#work.write({ logs }, resolve)),
        delay(LAST_LINES_MS, undefined, { ref: false }),
      ])
  }

  #close(): void {
    this.#end.abort()
    clearInterval(this.#heartbeats)
    this.#stats.close()
    this.#options.leaveSignal.removeEventListener('abort', this.#leave)
    this.#streams.cancel()
  }
}
