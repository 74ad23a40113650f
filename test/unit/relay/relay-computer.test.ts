import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { setImmediate as settled } from 'node:timers/promises'
import { WeightsStore } from '../../../src/coordinator/weights-store.js'
import { WorkerPool } from '../../../src/coordinator/worker-pool.js'
import { gradientLength } from '../../../src/model/parameter-layout.js'
import type { RunDescription } from '../../../src/model/run-description.js'
import { RelayComputer } from '../../../src/relay/relay-computer.js'
import { DEFAULT_LIMITS } from '../../../src/scheduler/limits.js'
import type { ConvoyError } from '../../../src/shared/errors.js'
import type { FromCoordinator, LeaseMessage } from '../../../src/shared/protocol/messages.js'
import { PROTOCOL_VERSION } from '../../../src/shared/protocol/messages.js'
import { ReductionTree } from '../../../src/shared/reduction-tree.js'
import type { FromCompute } from '../../../src/worker/compute-messages.js'
import { OUTDATED } from '../../../src/worker/worker-leases.js'
import { nearestBfloat16 } from '../../support/nearest-bfloat16.js'

// The relay's side of both protocols, with a real pool. Its worker is the test.

const WEIGHTS = 2
const layout = { weightCount: WEIGHTS, trainableCount: WEIGHTS, statisticsMomentum: 0.9, tensors: [] }
const LENGTH = gradientLength(layout)
const description = { model: { layout }, config: { shardSize: 4, wire: 'bfloat16' } } as unknown as RunDescription
const MEMBERSHIP = { description, worker: 1, session: 's', sharedFiles: undefined }
const DEVICE = { kind: 'cpu', name: 'none', tensorflowVersion: '0', fingerprint: 'f' }

const leaseOf = (lease: number, more: Partial<LeaseMessage> = {}): LeaseMessage => ({
  ...{ lease, work: 'WORK_GRADIENT', step: 5, split: 'train', firstShard: 8, shardCount: 1, weightsVersion: 1 },
  ...more,
})

/** The gradient of a shard. Sums in another order differ. */
const gradientOf = (shard: number): Float32Array<ArrayBuffer> => new Float32Array(LENGTH).fill(0.1 * 3 ** shard)

describe('a relay that computes with its workers', () => {
  let pool: WorkerPool
  let weights: WeightsStore
  let computer: RelayComputer
  let worker: number
  let toWorker: FromCoordinator[]
  let messages: FromCompute[]
  let runs: number

  const listen = (): void => {
    computer.listen({ onMessage: (message) => void messages.push(message), onBroken: () => undefined })
  }
  const sendWeights = (version: number, value = version): void => {
    computer.send({ kind: 'weights', version, weights: new Float32Array(WEIGHTS).fill(value) })
  }
  const lease = async (message: LeaseMessage): Promise<void> => {
    computer.send({ kind: 'lease', lease: message })
    await settled()
  }
  /** Computes the leases of the worker until there is none. */
  const work = async (): Promise<void> => {
    for (let message; (message = toWorker.shift()) !== undefined;) {
      if (message.lease === undefined) continue
      const { lease: id, firstShard, shardCount } = message.lease
      const tree = new ReductionTree(shardCount, WEIGHTS)
      for (let index = 0; index < shardCount; index++) {
        const sum = tree.addShard(index, gradientOf(firstShard + index))
        if (sum) assert.equal(pool.result(worker, id, sum), undefined)
      }
      await settled()
    }
  }
  const answers = (): FromCompute[] => messages.filter(({ kind }) => kind !== 'want-weights')

  beforeEach(async () => {
    ;[toWorker, messages, runs] = [[], [], 0]
    pool = new WorkerPool({
      ...{
        observer: () => undefined,
        limits: { ...DEFAULT_LIMITS, failuresPerShard: 1 },
        auditEvery: 0,
        maxWorkers: 4,
      },
      ...{ allowMixedDevices: true, now: () => 0, wakeAt: () => undefined },
    })
    weights = new WeightsStore()
    computer = new RelayComputer(pool, weights, () => runs++)
    listen()
    const prepared = computer.prepare(MEMBERSHIP)
    const request = { protocol: PROTOCOL_VERSION, name: 'a', device: DEVICE, incarnation: 'a', host: 'h' }
    ;({ worker } = pool.connections.join(request))
    pool.connections.connect(worker, { send: (message) => void toWorker.push(message), drop: () => undefined })
    pool.connections.receive(worker, { ready: {} })
    computer.workerReady()
    assert.deepEqual(await prepared, { shared: false })
    assert.equal(runs, 1)
  })

  it('names the shards of the step to its workers, and adds them in the fixed order', async () => {
    sendWeights(1)
    await lease(leaseOf(7, { shardCount: 5 }))
    assert.deepEqual({ ...toWorker[0]!.lease, lease: 0, shardCount: 0 }, leaseOf(0, { shardCount: 0, firstShard: 8 }))
    await work()
    const [g8, g9, g10, g11, g12] = [8, 9, 10, 11, 12].map((shard) => gradientOf(shard)[0]!) as [
      number,
      number,
      number,
      number,
      number,
    ]
    const inTree = (node: (value: number) => number): number =>
      node(node(node(node(g8) + node(g9)) + node(node(g10) + node(g11))) + node(g12))
    const [low, full] = [inTree((value) => nearestBfloat16(Math.fround(value))), inTree(Math.fround)]
    const [result] = answers() as [Extract<FromCompute, { kind: 'result' }>]
    assert.deepEqual([result.kind, result.lease, result.bytes], ['result', 7, 4 * LENGTH])
    assert.deepEqual([...result.vector!], [low, low, ...new Array<number>(LENGTH - WEIGHTS).fill(full)])
    assert.equal(result.rounded, WEIGHTS)
  })

  it('starts a lease when its weights are there', async () => {
    await lease(leaseOf(7))
    assert.equal(toWorker.length, 0)
    sendWeights(1)
    await settled()
    assert.equal(toWorker.length, 1)
    assert.deepEqual([...weights.weights], [1, 1])
  })

  it('stops when a lease is revoked, and computes the next one', async () => {
    sendWeights(1)
    await lease(leaseOf(7))
    computer.send({ kind: 'revoke', lease: 7 })
    assert.ok(toWorker.at(-1)?.revoke)
    await lease(leaseOf(8, { firstShard: 2 }))
    assert.deepEqual(
      toWorker.map(({ lease, revoke }) => lease?.firstShard ?? (revoke && 'revoked')),
      [8, 'revoked', 2],
    )
    toWorker.splice(0, 2)
    await work()
    assert.deepEqual(
      answers().map((message) => [message.kind, (message as { lease: number }).lease]),
      [['result', 8]],
    )
  })

  it('reports a lease as failed when newer weights come, and does not compute an outdated one', async () => {
    sendWeights(1)
    await lease(leaseOf(7))
    sendWeights(2)
    assert.deepEqual(answers(), [{ kind: 'failed', lease: 7, reason: OUTDATED }])
    assert.deepEqual(toWorker.at(-1), { revoke: { lease: toWorker[0]!.lease!.lease } })
    await lease(leaseOf(8))
    assert.deepEqual(answers()[1], { kind: 'failed', lease: 8, reason: OUTDATED })
    assert.deepEqual([...weights.weights], [2, 2])
  })

  it('reports what its workers cannot compute, with the number of the shard', async () => {
    sendWeights(1)
    await lease(leaseOf(7))
    pool.connections.receive(worker, { failed: { lease: toWorker[0]!.lease!.lease, reason: 'no memory' } })
    await settled()
    const [failed] = answers() as [Extract<FromCompute, { kind: 'failed' }>]
    assert.deepEqual([failed.kind, failed.lease], ['failed', 7])
    assert.match(failed.reason, /^Step 6, shard 8 cannot be computed: it failed on every try \(by a\).*no memory/)
  })

  it('computes anew for a coordinator that counts anew', async () => {
    sendWeights(1)
    sendWeights(2)
    await lease(leaseOf(7, { weightsVersion: 2 }))
    computer.listen()
    await settled()
    assert.deepEqual(toWorker.at(-1), { revoke: { lease: toWorker[0]!.lease!.lease } })
    toWorker.splice(0)
    listen()
    await computer.prepare(MEMBERSHIP)
    await lease(leaseOf(1))
    assert.equal(toWorker.length, 0)
    sendWeights(1, 9)
    await settled()
    assert.equal(toWorker.at(0)?.lease?.weightsVersion, 3)
    await work()
    assert.deepEqual(
      answers().map((message) => [message.kind, (message as { lease: number }).lease]),
      [['result', 1]],
    )
  })

  it('gives workers no weights that do not fit a run', async () => {
    sendWeights(1)
    computer.listen()
    listen()
    const larger = { ...layout, weightCount: 3 }
    await computer.prepare({ ...MEMBERSHIP, description: { ...description, model: { layout: larger } } as never })
    assert.equal(weights.weights.length, 3)
  })

  it('ends the wait for a worker with the membership', async () => {
    pool.connections.drop(worker, 'the test is over')
    const prepared = computer.prepare(MEMBERSHIP)
    computer.listen()
    await assert.rejects(prepared, (error: ConvoyError) => error.code === 'interrupted')
  })
})
