import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { PoolTask } from '../../../src/coordinator/pool-task.js'
import { WorkerPool } from '../../../src/coordinator/worker-pool.js'
import { DEFAULT_LIMITS } from '../../../src/scheduler/limits.js'
import { PROTOCOL_VERSION } from '../../../src/shared/protocol/messages.js'

const DEVICE = { kind: 'cpu', name: 'none', tensorflowVersion: '0', fingerprint: 'f' }

/** A pool of ready workers that audits every lease, and the leases sent to each worker. */
function auditingPool(...names: string[]) {
  const pool = new WorkerPool({
    ...{ observer: () => undefined, limits: DEFAULT_LIMITS, auditEvery: 1, maxWorkers: names.length },
    ...{ allowMixedDevices: false, now: () => 0, wakeAt: () => undefined },
  })
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
