import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { PoolTask } from '../../../src/coordinator/pool-task.js'
import type { WorkerPoolOptions } from '../../../src/coordinator/worker-pool.js'
import { WorkerPool } from '../../../src/coordinator/worker-pool.js'
import { DEFAULT_LIMITS } from '../../../src/scheduler/limits.js'
import type { FromCoordinator, LeaseMessage } from '../../../src/shared/protocol/messages.js'
import { PROTOCOL_VERSION } from '../../../src/shared/protocol/messages.js'
import { ReductionTree } from '../../../src/shared/reduction-tree.js'

const DEVICE = { kind: 'cpu', name: 'none', tensorflowVersion: '0', fingerprint: 'f' }

const OPTIONS: WorkerPoolOptions = {
  ...{ observer: () => undefined, limits: DEFAULT_LIMITS, auditEvery: 0, maxWorkers: 4 },
  ...{ allowMixedDevices: false, now: () => 0, wakeAt: () => undefined },
}

/** A pool of ready workers that audits every lease, and the leases sent to each worker. */
function auditingPool(...names: string[]) {
  const pool = new WorkerPool({ ...OPTIONS, auditEvery: 1 })
  const leases = new Map<number, number>()
  const workers = names.map((name) => {
    const { worker } = pool.connections.join({
      ...{ protocol: PROTOCOL_VERSION, name, device: DEVICE, incarnation: name, host: name },
    })
    pool.connections.connect(worker, {
      send: ({ lease }) => {
        if (lease) leases.set(worker, lease.lease)
      },
      drop: () => undefined,
    })
    pool.connections.receive(worker, { ready: {} })
    return worker
  })
  return { pool, workers, leaseOf: (worker: number) => leases.get(worker)! }
}

const TASK: PoolTask = {
  ...{ work: 'WORK_GRADIENT', step: 0, split: 'train', shards: 1, vectorLength: 2, weightsVersion: 1 },
  ...{ describeIndex: () => '', describeShards: () => '' },
}

describe('worker pool: a result that waits for its audit', () => {
  it('is kept when its worker reports the same lease as failed', async () => {
    const { pool, workers, leaseOf } = auditingPool('a', 'b')
    const [a, b] = workers as [number, number]
    const sum = pool.compute(TASK, new AbortController().signal)
    assert.equal(pool.result(a, leaseOf(a), Float32Array.of(1, 2)), undefined)
    pool.connections.receive(a, { failed: { lease: leaseOf(a), reason: 'out of memory' } })
    assert.equal(pool.result(b, leaseOf(b), Float32Array.of(1, 2)), undefined)
    const vector = await sum
    assert.deepEqual([...vector], [1, 2])
    // Memory released twice would be reused while the sum still reads it.
    assert.notEqual(pool.vectors.take(2), vector)
    assert.notEqual(pool.vectors.take(2), vector)
  })

  it('is kept when its worker sends a second result of the same lease', async () => {
    const { pool, workers, leaseOf } = auditingPool('a', 'b')
    const [a, b] = workers as [number, number]
    const sum = pool.compute(TASK, new AbortController().signal)
    pool.result(a, leaseOf(a), Float32Array.of(1, 2))
    assert.equal(pool.result(a, leaseOf(a), Float32Array.of(9, 9))?.code, 'stale')
    pool.result(b, leaseOf(b), Float32Array.of(1, 2))
    assert.deepEqual([...(await sum)], [1, 2])
  })
})

describe('worker pool: results in memory of their workers', () => {
  for (const [auditEvery, rounded] of [
    [0, 0],
    [1, 0],
    [2, 0],
    [0, 1],
  ] as const)
    it(`are copied before a worker gets its next lease, with an audit of every ${auditEvery}th, ${rounded} rounded`, async () => {
      const pool = new WorkerPool({ ...OPTIONS, auditEvery })
      const granted: { worker: number; lease: LeaseMessage }[] = []
      const memory = new Map<number, Float32Array>()
      for (const name of ['a', 'b', 'c']) {
        const { worker } = pool.connections.join({
          ...{ protocol: PROTOCOL_VERSION, name, device: DEVICE, incarnation: name, host: name },
        })
        memory.set(worker, new Float32Array(2))
        const send = ({ lease }: FromCoordinator): void => {
          if (!lease) return
          // A worker may begin at once to write over what it has delivered.
          memory.get(worker)!.fill(NaN)
          granted.push({ worker, lease })
        }
        pool.connections.connect(worker, { send, drop: () => undefined })
        pool.connections.receive(worker, { ready: {} })
      }
      const shards = 23
      const valueOf = (shard: number): Float32Array => Float32Array.of(1 / (shard + 1), shard)
      const expected = new ReductionTree(shards, rounded)
      let sum: Float32Array | undefined
      for (let shard = 0; shard < shards; shard++)
        sum = expected.addShard(shard, valueOf(shard) as Float32Array<ArrayBuffer>)
      const computed = pool.compute({ ...TASK, shards, rounded }, new AbortController().signal)
      // The newest lease first: results of others wait longer.
      for (let next; (next = granted.pop()) !== undefined;) {
        const { worker, lease } = next
        const tree = new ReductionTree(lease.shardCount, rounded)
        for (let shard = 0; shard < lease.shardCount; shard++) {
          const whole = tree.addShard(shard, valueOf(lease.firstShard + shard) as Float32Array<ArrayBuffer>)
          if (whole) memory.get(worker)!.set(whole)
        }
        pool.result(worker, lease.lease, memory.get(worker)!.subarray(0, 2), true)
      }
      assert.deepEqual([...(await computed)], [...sum!])
      // The sum is for whoever wants to keep it, whatever a worker does.
      const kept = pool.vectors.own(await computed)
      for (const vector of memory.values()) vector.fill(NaN)
      assert.deepEqual([...kept], [...sum!])
      pool.vectors.give(await computed)
      const own = Array.from({ length: 20 }, () => pool.vectors.take(2).buffer)
      assert.ok([...memory.values()].every(({ buffer }) => !own.includes(buffer)))
      assert.equal(new Set(own).size, own.length)
    })
})

describe('worker pool: a worker that is let go', () => {
  const device = { protocol: PROTOCOL_VERSION, device: DEVICE, incarnation: 'process', host: 'h' }

  it('finishes its lease, gets `finish`, and is not let in again', async () => {
    const { pool, workers, leaseOf } = auditingPool('a')
    const [a] = workers as [number]
    const sum = pool.compute(TASK, new AbortController().signal)
    const gone = pool.connections.letGo(a)
    pool.result(a, leaseOf(a), Float32Array.of(1, 2))
    assert.deepEqual([...(await sum)], [1, 2])
    pool.connections.disconnect(a, 'closed')
    await gone
    assert.deepEqual(pool.workers(), [])
  })

  it('is told to finish when its connection broke before and it joins again', async () => {
    const pool = new WorkerPool(OPTIONS)
    const { worker: first } = pool.connections.join({ ...device, name: 'a' })
    void pool.connections.letGo(first)
    pool.connections.disconnect(first, 'connection lost')
    const { worker: again } = pool.connections.join({ ...device, name: 'a' })
    const sent: FromCoordinator[] = []
    pool.connections.connect(again, { send: (message) => sent.push(message), drop: () => undefined })
    assert.deepEqual(sent, [{ finish: { reason: 'left' } }])
    const { worker: other } = pool.connections.join({ ...device, name: 'b', incarnation: 'other' })
    assert.equal(pool.stateOf(other), 'joining')
  })
})

describe('worker pool: a run that is held', () => {
  it('waits for no worker; afterwards it does', () => {
    const events: string[] = []
    let nowMs = 0
    const pool = new WorkerPool({ ...OPTIONS, observer: ({ kind }) => events.push(kind), now: () => nowMs })
    pool.hold(true)
    nowMs = 60_000
    pool.tick()
    assert.deepEqual(events, [])
    pool.hold(false)
    pool.tick()
    pool.tick()
    assert.deepEqual(events, ['waiting'])
  })
})
