import assert from 'node:assert/strict'
import { it } from 'node:test'
import { WorkerPool } from '../../../src/coordinator/worker-pool.js'
import { NO_STATS } from '../../../src/metrics/worker-stats.js'
import { RelayProgress } from '../../../src/relay/relay-progress.js'
import { DEFAULT_LIMITS } from '../../../src/scheduler/limits.js'
import { PROTOCOL_VERSION } from '../../../src/shared/protocol/messages.js'

const DEVICE = { kind: 'cpu', name: 'none', tensorflowVersion: '0', fingerprint: 'f' }

it('a relay counts the workers that compute for it, and those of relays among them', () => {
  const pool = new WorkerPool({
    ...{ observer: () => undefined, limits: DEFAULT_LIMITS, auditEvery: 0, maxWorkers: 4 },
    ...{ allowMixedDevices: true, now: () => 0, wakeAt: () => undefined },
  })
  const join = (name: string): number => {
    const request = { protocol: PROTOCOL_VERSION, name, device: DEVICE, incarnation: name, host: 'h' }
    const { worker } = pool.connections.join(request)
    pool.connections.connect(worker, { send: () => undefined, drop: () => undefined })
    return worker
  }
  const progress = new RelayProgress(pool)
  const [plain, relay] = [join('plain'), join('relay')]
  assert.equal(progress.now().workers, 0)
  pool.connections.receive(plain, { ready: {} })
  pool.connections.receive(plain, { heartbeat: { ...NO_STATS, shardsDone: 2, workers: 0 } })
  assert.equal(progress.now().workers, 1)
  pool.connections.receive(relay, { ready: {} })
  pool.connections.receive(relay, { heartbeat: { ...NO_STATS, shardsDone: 3, workers: 3 } })
  assert.deepEqual([progress.now().workers, progress.now().shardsDone], [4, 5])
})
