import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import readline from 'node:readline'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { LocalService } from '../../../src/coordinator/services/local-service.js'
import { SharedResults } from '../../../src/coordinator/services/shared-results.js'
import { WorkerPool } from '../../../src/coordinator/worker-pool.js'
import { DEFAULT_LIMITS } from '../../../src/scheduler/limits.js'
import { bytesOf } from '../../../src/shared/bytes-of.js'
import { nativeLoops } from '../../../src/shared/native-loops.js'
import type { FromLocalWorker, ToLocalWorker } from '../../../src/shared/protocol/local-messages.js'
import type { FromCoordinator } from '../../../src/shared/protocol/messages.js'
import { PROTOCOL_VERSION } from '../../../src/shared/protocol/messages.js'
import { resultFile, SharedFiles } from '../../../src/shared/shared-files.js'
import type { RunEvent } from '../../../src/training/run-events.js'
import { SharedResult } from '../../../src/worker/shared-result.js'
import { until } from '../../support/until.js'

// The socket of a coordinator for compute threads on its machine. The other end is Node's own: lines of JSON over a socket.

const LENGTH = 3
const DEVICE = { kind: 'cpu', name: 'none', tensorflowVersion: '0', fingerprint: 'f' }
const created = SharedFiles.create()

describe('the local connection of a worker', { skip: created === undefined && 'this machine has no /dev/shm' }, () => {
  const { files } = created!
  const events: RunEvent[] = []
  const pool = new WorkerPool({
    ...{ observer: (event) => events.push(event), limits: DEFAULT_LIMITS, auditEvery: 0, maxWorkers: 8 },
    ...{ allowMixedDevices: false, now: () => performance.now(), wakeAt: () => undefined },
  })
  const { connections } = pool
  const stop = new AbortController()
  const sockets: net.Socket[] = []
  let service: LocalService
  let localWorkers = 0
  before(async () => {
    service = await LocalService.listen(files.socket, {
      connections,
      results: new SharedResults({ pool, files, longest: () => LENGTH, onTaken: () => undefined }),
      onWorker: () => localWorkers++,
      onFailure: (error) => {
        throw error
      },
    })
  })
  after(() => {
    stop.abort()
    for (const socket of sockets) socket.destroy()
    service.close()
    files.close()
  })

  function connect() {
    const socket = net.connect(files.socket)
    socket.on('error', () => undefined)
    sockets.push(socket)
    const received: ToLocalWorker[] = []
    readline.createInterface({ input: socket }).on('line', (line) => received.push(JSON.parse(line) as ToLocalWorker))
    const send = (message: FromLocalWorker): void => void socket.write(`${JSON.stringify(message)}\n`)
    const next = async (): Promise<ToLocalWorker> => {
      await until('a message', () => received.length > 0)
      return received.shift()!
    }
    return { socket, send, next, closed: once(socket, 'close') }
  }

  /** Joins and opens a control stream in this process, and says hello. */
  async function worker(name: string) {
    const { worker: id, session } = connections.join({
      ...{ protocol: PROTOCOL_VERSION, name, device: DEVICE, incarnation: name, host: 'h' },
    })
    const control: FromCoordinator[] = []
    connections.connect(id, { send: (message) => control.push(message), drop: () => undefined })
    const connection = connect()
    connection.send({ hello: { worker: id, session } })
    assert.deepEqual(await connection.next(), { welcome: true })
    const reason = async (): Promise<string> => {
      const left = events.find((event) => event.kind === 'worker-left' && event.worker.id === id)
      if (left) return (left as Extract<RunEvent, { kind: 'worker-left' }>).reason
      return delay(10).then(reason)
    }
    return { id, session, control, ...connection, reason }
  }

  function begin(shards: number): Promise<Float32Array> {
    const task = {
      work: 'WORK_GRADIENT',
      step: 0,
      split: 'train',
      shards,
      vectorLength: LENGTH,
      weightsVersion: 1,
    } as const
    return pool.compute({ ...task, describeIndex: () => '', describeShards: () => '' }, stop.signal)
  }

  it('brings leases, and takes the word that a result is in shared memory', async () => {
    const { id, control, send, next } = await worker('a')
    assert.equal(localWorkers, 1)
    const sum = begin(1)
    connections.receive(id, { ready: {} })
    const { lease } = await next()
    assert.equal(lease?.shardCount, 1)
    send({ result: { lease: 1_000_000 } })
    assert.equal((await next()).refused?.code, 'stale')
    files.write(resultFile(id), bytesOf(Float32Array.of(1, 2, 3)))
    send({ result: { lease: lease!.lease } })
    assert.deepEqual([...(await sum)], [1, 2, 3])
    assert.deepEqual(control, [])
    connections.drop(id, 'the test is over')
  })

  it('takes results where they lie, if their file is mapped', async () => {
    const { id, send, next } = await worker('mapped')
    const memory = new SharedResult(SharedFiles.open(created!.offer)!, id, LENGTH)
    const fail = (why: string): void => assert.fail(why)
    connections.receive(id, { ready: {} })
    for (const values of [
      [4, 5, 6],
      [7, 8, 9],
    ]) {
      const sum = begin(1)
      const { lease } = await next()
      assert.ok(memory.write(Float32Array.from(values), fail))
      send({ result: { lease: lease!.lease } })
      const taken = await sum
      assert.deepEqual([...taken], values)
      memory.write(Float32Array.of(0, 0, 0), fail)
      assert.deepEqual([...taken], nativeLoops() ? [0, 0, 0] : values)
    }
    connections.drop(id, 'the test is over')
  })

  it('ends with the membership, and the membership with it', async () => {
    const [first, second] = [await worker('b'), await worker('c')]
    for (const { id } of [first, second]) connections.receive(id, { ready: {} })
    connections.drop(first.id, 'the test is over')
    await first.closed
    second.socket.destroy()
    assert.equal(await second.reason(), 'connection lost')
  })

  it('is closed after a message that makes no sense, and the worker is dropped', async () => {
    const garbage = ['no message\n', '"text"\n', '{}\n', '{"result":{"lease":"1"}}\n', 'x'.repeat(70_000)]
    for (const [index, text] of garbage.entries()) {
      const { id, socket, closed, reason } = await worker(`d${index}`)
      connections.receive(id, { ready: {} })
      socket.write(text)
      await closed
      assert.equal(await reason(), 'sent a malformed result', text.slice(0, 30))
    }
  })

  it('is closed after the word of a result that is not there', async () => {
    const { id, send, next, closed, reason } = await worker('e')
    begin(1).catch(() => undefined)
    connections.receive(id, { ready: {} })
    const { lease } = await next()
    send({ result: { lease: lease!.lease } })
    await closed
    assert.equal(await reason(), 'sent a malformed result')
  })

  it('is only for a worker that proves its membership, once', async () => {
    const { id, session, control } = await worker('f')
    const strangers: FromLocalWorker[] = [
      { hello: { worker: id, session: 'ab'.repeat(16) } },
      { hello: { worker: id + 1, session } },
      { hello: { worker: id, session } },
      { result: { lease: 1 } },
      {},
    ]
    for (const message of strangers) {
      const { send, closed } = connect()
      send(message)
      await closed
    }
    connections.receive(id, { ready: {} })
    assert.ok(connections.authenticate(id, session))
    assert.deepEqual(control, [])
  })

  it('is not kept for those who say nothing', async () => {
    const silent = Array.from({ length: 64 }, () => connect())
    await Promise.all(silent.map(async ({ socket }) => once(socket, 'connect')))
    const { closed } = connect()
    await closed
    for (const { socket } of silent) socket.destroy()
    const hasRoom = async (): Promise<boolean> => {
      const stranger = connect()
      return Promise.race([stranger.closed.then(() => false), delay(50).then(() => true)])
    }
    await until('room for another', hasRoom)
  })
})
