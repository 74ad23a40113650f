import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import * as grpc from '@grpc/grpc-js'
import { DEFAULT_LIMITS } from '../../../src/scheduler/limits.js'
import type { RunEvent } from '../../../src/training/run-events.js'
import { controlService } from '../../../src/coordinator/services/control-service.js'
import { dataService } from '../../../src/coordinator/services/data-service.js'
import { SharedResults } from '../../../src/coordinator/services/shared-results.js'
import { WeightsStore } from '../../../src/coordinator/weights-store.js'
import { WorkerPool } from '../../../src/coordinator/worker-pool.js'
import { sharedChunk } from '../../../src/shared/protocol/chunks.js'
import type { Listener } from '../../../src/shared/protocol/listen.js'
import { listen } from '../../../src/shared/protocol/listen.js'
import type { JoinReply, JoinRequest } from '../../../src/shared/protocol/messages.js'
import { PROTOCOL_VERSION } from '../../../src/shared/protocol/messages.js'
import { OpenConnections } from '../../../src/shared/protocol/open-connections.js'
import { Control, Data, SESSION_KEY, WORKER_KEY } from '../../../src/shared/protocol/services.js'
import { until } from '../../support/until.js'

// The coordinator's services on a real listener. The workers send messages but compute nothing.

const DEVICE = { kind: 'cpu', name: 'none', tensorflowVersion: '0', fingerprint: 'f' }

describe('the coordinator reports why a worker left', () => {
  const events: RunEvent[] = []
  const pool = new WorkerPool({
    ...{ observer: (event) => events.push(event), limits: DEFAULT_LIMITS, auditEvery: 0, maxWorkers: 4 },
    ...{ allowMixedDevices: false, now: () => performance.now(), wakeAt: () => undefined },
  })
  const stop = new AbortController()
  const connections = new OpenConnections({
    maxUnused: 64,
    isInUse: (peer) => pool.connections.isCaller(peer),
    report: () => undefined,
  })
  const server = new grpc.Server({ interceptors: [connections.interceptor] })
  let listener: Listener
  const clients: grpc.Client[] = []
  before(async () => {
    server.addService(
      Control.service,
      controlService(pool.connections, (request) => ({
        ...pool.connections.join(request),
        ...{ run: '{}', heartbeatMs: DEFAULT_LIMITS.heartbeatMs, logLevel: 'warn', runName: 'r' },
      })),
    )
    server.addService(
      Data.service,
      dataService({
        ...{ pool, weights: new WeightsStore(), fingerprints: ['a'.repeat(64)] },
        sharedResults: new SharedResults({ pool, files: undefined, longest: () => 1, onTaken: () => undefined }),
        onWorker: () => undefined,
      }),
    )
    listener = await listen(server, '127.0.0.1:0', '--listen', connections)
    // A task, so that the pool grants leases.
    pool
      .compute(
        {
          ...{ work: 'WORK_GRADIENT', step: 0, split: 'train', shards: 8, vectorLength: 1, weightsVersion: 1 },
          ...{ describeIndex: () => '', describeShards: () => '' },
        },
        stop.signal,
      )
      .catch(() => undefined)
  })
  after(() => {
    stop.abort()
    for (const client of clients) client.close()
    listener.close()
  })

  /** Joins, opens all streams and reports ready. */
  async function worker(name: string) {
    const credentials = grpc.credentials.createInsecure()
    const control = new Control(listener.address, credentials)
    const data = new Data(listener.address, credentials, { 'grpc.use_local_subchannel_pool': 1 })
    clients.push(control, data)
    const join = promisify<JoinRequest, grpc.Metadata, grpc.CallOptions, JoinReply | undefined>(
      control.join.bind(control),
    )
    const request = { protocol: PROTOCOL_VERSION, name, device: DEVICE, incarnation: name, host: 'h' }
    const reply = (await join(request, new grpc.Metadata(), {}))!
    const metadata = new grpc.Metadata()
    metadata.set(WORKER_KEY, String(reply.worker))
    metadata.set(SESSION_KEY, reply.session)
    const [work, results] = [control.work(metadata), data.results(metadata)]
    for (const stream of [work, results]) stream.on('error', () => undefined)
    work.write({ ready: {} })
    const lease = once(work, 'data')
    return { id: reply.worker, work, results, lease, departureReason: () => departureReason(reply.worker) }
  }

  async function departureReason(id: number): Promise<string> {
    const left = (): RunEvent | undefined =>
      events.find((event) => event.kind === 'worker-left' && event.worker.id === id)
    await until('its departure', () => left() !== undefined)
    return (left() as Extract<RunEvent, { kind: 'worker-left' }>).reason
  }

  it('after an unexpected message', async () => {
    const { work, lease, departureReason } = await worker('a')
    await lease
    work.write({ ready: {} })
    assert.equal(await departureReason(), 'sent a message that makes no sense')
  })

  it('after only its result stream is lost', async () => {
    const { results, lease, departureReason } = await worker('b')
    await lease
    // The reply proves that the stream is open.
    results.write(sharedChunk(1_000_000, 4))
    await once(results, 'data')
    results.cancel()
    assert.equal(await departureReason(), 'connection lost')
  })

  it('after a shared result that does not exist', async () => {
    const { results, lease, departureReason } = await worker('c')
    const [message] = (await lease) as [{ lease: { lease: number } }]
    results.write(sharedChunk(message.lease.lease, 4))
    assert.equal(await departureReason(), 'sent a malformed result')
  })

  it('and rejects a call without the secret of the worker', async () => {
    const credentials = grpc.credentials.createInsecure()
    const [control, data] = [new Control(listener.address, credentials), new Data(listener.address, credentials)]
    clients.push(control, data)
    const joined = await worker('d')
    const metadata = new grpc.Metadata()
    metadata.set(WORKER_KEY, String(joined.id))
    metadata.set(SESSION_KEY, 'ab'.repeat(16))
    for (const stream of [control.work(metadata), data.results(metadata)]) {
      // The status arrives only after the stream has been read.
      stream.resume()
      const [error] = (await once(stream, 'error')) as [grpc.ServiceError]
      assert.match(error.details, /^Not a worker of this run/)
    }
    joined.work.cancel()
    assert.equal(await joined.departureReason(), 'connection lost')
  })
})
