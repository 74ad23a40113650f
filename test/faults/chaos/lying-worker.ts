import { once } from 'node:events'
import { promisify } from 'node:util'
import * as grpc from '@grpc/grpc-js'
import type { DeviceDescription } from '../../../src/tensorflow/engine/engine.js'
import { gradientLength } from '../../../src/model/parameter-layout.js'
import type { RunDescription } from '../../../src/model/run-description.js'
import { bytesOf } from '../../../src/shared/bytes-of.js'
import { chunksOf } from '../../../src/shared/protocol/chunks.js'
import type {
  FromCoordinator,
  FromWorker,
  JoinReply,
  JoinRequest,
  Refusal,
  UnsealedChunk,
} from '../../../src/shared/protocol/messages.js'
import { PROTOCOL_VERSION } from '../../../src/shared/protocol/messages.js'
import type { ControlClient, DataClient } from '../../../src/shared/protocol/services.js'
import { Control, Data, SESSION_KEY, WORKER_KEY } from '../../../src/shared/protocol/services.js'

const STATS = { residentBytes: 1, tensors: 1, tensorBytes: 4, eventLoopDelaySeconds: 0, phases: [], shardsDone: 0 }

/** A member of a run that follows the protocol but computes nothing; the test chooses its results. */
export class LyingWorker {
  /** Floats of a gradient. */
  readonly gradientLength: number
  readonly #control: ControlClient
  readonly #data: DataClient
  readonly #work: grpc.ClientDuplexStream<FromWorker, FromCoordinator>
  readonly #results: grpc.ClientDuplexStream<UnsealedChunk, Refusal>
  #leases: number[] = []
  readonly #heartbeats: NodeJS.Timeout

  private constructor(control: ControlClient, data: DataClient, metadata: grpc.Metadata, reply: JoinReply) {
    this.gradientLength = gradientLength((JSON.parse(reply.run) as RunDescription).model.layout)
    this.#control = control
    this.#data = data
    this.#work = control.work(metadata)
    this.#results = data.results(metadata)
    for (const stream of [this.#work, this.#results]) stream.on('error', () => undefined)
    this.#work.on('data', ({ lease, revoke }: FromCoordinator) => {
      if (lease) this.#leases.push(lease.lease)
      if (revoke) this.#leases = this.#leases.filter((one) => one !== revoke.lease)
      this.#work.emit('news')
    })
    const beat = (): void => void this.#work.write({ heartbeat: STATS })
    beat()
    this.#heartbeats = setInterval(beat, reply.heartbeatMs)
    this.#work.write({ ready: {} })
  }

  /** @param device of an honest worker, because another one would not be admitted */
  static async join(address: string, name: string, device: DeviceDescription): Promise<LyingWorker> {
    const credentials = grpc.credentials.createInsecure()
    const control = new Control(address, credentials)
    const call = promisify<JoinRequest, grpc.Metadata, grpc.CallOptions, JoinReply | undefined>(
      control.join.bind(control),
    )
    const request = { protocol: PROTOCOL_VERSION, name, incarnation: name, host: name, device: { ...device } }
    const reply = (await call(request, new grpc.Metadata(), {}))!
    const metadata = new grpc.Metadata()
    metadata.set(WORKER_KEY, String(reply.worker))
    metadata.set(SESSION_KEY, reply.session)
    return new LyingWorker(control, new Data(address, credentials), metadata, reply)
  }

  /** The next lease that was not revoked meanwhile. */
  async lease(): Promise<number> {
    while (this.#leases.length === 0) await once(this.#work, 'news')
    return this.#leases.shift()!
  }

  /** Sends a vector as the result of a lease. @returns why it is discarded */
  async sends(lease: number, vector: Float32Array): Promise<string> {
    for (const chunk of chunksOf(lease, bytesOf(vector))) this.#results.write(chunk)
    const [{ reason }] = (await once(this.#results, 'data')) as [Refusal]
    return reason
  }

  /** Answers every further lease with a vector of this value. */
  answersAll(value: number): void {
    const vector = new Float32Array(this.gradientLength).fill(value)
    const answer = (): void => {
      for (const lease of this.#leases.splice(0))
        for (const chunk of chunksOf(lease, bytesOf(vector))) this.#results.write(chunk)
    }
    this.#results.resume()
    this.#work.on('news', answer)
    answer()
  }

  /** Sends an invalid message. @returns why the coordinator disconnected it */
  async sendsNonsense(chunk: UnsealedChunk): Promise<string> {
    this.#results.write(chunk)
    const [{ details }] = (await once(this.#work, 'error')) as [grpc.ServiceError]
    return details
  }

  close(): void {
    clearInterval(this.#heartbeats)
    this.#control.close()
    this.#data.close()
  }
}
