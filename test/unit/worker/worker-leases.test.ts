import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LeaseMessage } from '../../../src/shared/protocol/messages.js'
import { WorkerLeases } from '../../../src/worker/worker-leases.js'

function lease(id: number, weightsVersion: number): LeaseMessage {
  const shards = { firstShard: 0, shardCount: 2 }
  return { lease: id, work: 'WORK_GRADIENT', step: 0, split: 'train', ...shards, weightsVersion }
}

describe('the leases of a worker', () => {
  it('wait for their weights, and start once', () => {
    const leases = new WorkerLeases()
    const first = lease(1, 5)
    assert.equal(leases.take(first), true)
    assert.equal(leases.start(), undefined)
    assert.equal(leases.takeWeights(5), true)
    assert.deepEqual(leases.start(), { lease: first, state: 'current' })
    assert.equal(leases.start(), undefined)
    assert.equal(leases.take(lease(2, 5)), false)
  })

  it('are outdated by newer weights, before they start and between two shards', () => {
    const leases = new WorkerLeases()
    leases.takeWeights(6)
    const late = lease(1, 5)
    leases.take(late)
    assert.deepEqual(leases.start(), { lease: late, state: 'outdated' })
    const current = lease(2, 6)
    leases.take(current)
    leases.start()
    assert.equal(leases.stateOf(current), 'current')
    leases.takeWeights(7)
    assert.equal(leases.stateOf(current), 'outdated')
  })

  it('are revoked while they wait or are computed, without affecting others', () => {
    const leases = new WorkerLeases()
    leases.take(lease(1, 5))
    leases.revoke(1)
    leases.takeWeights(5)
    assert.equal(leases.start(), undefined)
    const running = lease(2, 5)
    leases.take(running)
    leases.start()
    leases.revoke(3)
    assert.equal(leases.stateOf(running), 'current')
    leases.revoke(2)
    assert.equal(leases.stateOf(running), 'revoked')
  })

  it('keep newer weights when older ones arrive late', () => {
    const leases = new WorkerLeases()
    leases.takeWeights(6)
    assert.equal(leases.takeWeights(5), false)
    assert.equal(leases.take(lease(1, 6)), false)
  })

  it('of an earlier join are revoked, although ids and versions restart', () => {
    const leases = new WorkerLeases()
    leases.takeWeights(5)
    const old = lease(1, 5)
    leases.take(old)
    leases.start()
    leases.reset()
    assert.equal(leases.take(lease(1, 1)), true)
    assert.equal(leases.takeWeights(1), true)
    leases.start()
    assert.equal(leases.stateOf(old), 'revoked')
  })
})
