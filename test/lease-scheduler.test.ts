import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Effect, Lease } from '../src/coordinator/core/lease-scheduler.js'
import { LeaseScheduler } from '../src/coordinator/core/lease-scheduler.js'
import { ReductionTree } from '../src/shared/reduction-tree.js'

function granted(effects: Effect[]): Lease[] {
  return effects.flatMap((effect) => (effect.kind === 'grant' ? [effect.lease] : []))
}

test('idle workers share a task equally', () => {
  const scheduler = new LeaseScheduler()
  scheduler.workerReady(1)
  scheduler.workerReady(2)
  const leases = granted(scheduler.begin({ id: 1, shards: 4 }))
  assert.deepEqual(
    leases.map(({ worker, firstShard, shardCount }) => [worker, firstShard, shardCount]),
    [
      [1, 0, 2],
      [2, 2, 2],
    ],
  )
})

test('a worker dies: its shards go to the next idle worker, its late result is stale', () => {
  const scheduler = new LeaseScheduler()
  scheduler.workerReady(1)
  scheduler.workerReady(2)
  const [first, second] = granted(scheduler.begin({ id: 1, shards: 4 })) as [Lease, Lease]
  const effects = scheduler.workerGone(1, 'killed')
  assert.deepEqual(effects, [{ kind: 'reissue', worker: 1, shards: 2, reason: 'killed' }])
  assert.equal(scheduler.current(first.id, 1), undefined)
  const { done, effects: next } = scheduler.complete(second.id)
  assert.equal(done, false)
  const [again] = granted(next) as [Lease]
  assert.deepEqual([again.worker, again.firstShard, again.shardCount], [2, 0, 2])
  assert.equal(scheduler.complete(again.id).done, true)
})

test('another worker may not complete a lease that is not its own', () => {
  const scheduler = new LeaseScheduler()
  scheduler.workerReady(1)
  scheduler.workerReady(2)
  const [first] = granted(scheduler.begin({ id: 1, shards: 2 })) as [Lease]
  assert.equal(scheduler.current(first.id, 2), undefined)
})

test('a shard that fails on every try ends the task instead of going round for ever', () => {
  const scheduler = new LeaseScheduler()
  let effects = [...scheduler.workerReady(1), ...scheduler.begin({ id: 1, shards: 1 })]
  for (let failure = 1; failure <= 3; failure++) effects = scheduler.failed(granted(effects)[0]!.id, 'no memory')
  assert.deepEqual(effects, [{ kind: 'give-up', task: 1, firstShard: 0, reason: 'no memory' }])
})

test('a leaving worker finishes what it holds and gets nothing more', () => {
  const scheduler = new LeaseScheduler()
  scheduler.workerReady(1)
  const [lease] = granted(scheduler.begin({ id: 1, shards: 1 })) as [Lease]
  scheduler.workerLeaving(1)
  assert.ok(scheduler.complete(lease.id).done)
  assert.deepEqual(scheduler.begin({ id: 2, shards: 1 }), [])
})

test('whatever workers do, every shard is counted exactly once and every task ends', () => {
  const actions = fc.array(
    fc.record({ what: fc.constantFrom('join', 'die', 'leave', 'complete', 'fail'), pick: fc.nat({ max: 1000 }) }),
    { maxLength: 200 },
  )
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 33 }), actions, (shards, history) => {
      const scheduler = new LeaseScheduler()
      const workers: number[] = []
      const held = new Map<number, Lease>()
      let nextWorker = 1
      let task = 0
      let tree = new ReductionTree(shards)
      let failures = 0
      const run = (effects: Effect[]): void => {
        for (const effect of effects) {
          if (effect.kind === 'grant') {
            assert.ok(![...held.values()].some((lease) => lease.worker === effect.lease.worker), 'one lease a worker')
            held.set(effect.lease.id, effect.lease)
          } else if (effect.kind === 'revoke') held.delete(effect.lease.id)
          else if (effect.kind === 'give-up') begin()
        }
      }
      const begin = (): void => {
        tree = new ReductionTree(shards)
        failures = 0
        run(scheduler.begin({ id: ++task, shards }))
      }
      const finishOne = (lease: Lease): void => {
        held.delete(lease.id)
        // The tree throws when a shard comes twice.
        const sum = tree.add(lease.firstShard, lease.shardCount, Float32Array.of(lease.shardCount))
        const { done, effects } = scheduler.complete(lease.id)
        run(effects)
        assert.equal(done, sum !== undefined)
        if (sum !== undefined) {
          assert.equal(sum[0], shards)
          begin()
        }
      }
      begin()
      for (const { what, pick } of history) {
        const worker = workers[pick % Math.max(1, workers.length)]
        const lease = [...held.values()][pick % Math.max(1, held.size)]
        if (what === 'join' && workers.length < 12) {
          workers.push(nextWorker)
          run(scheduler.workerReady(nextWorker++))
        } else if ((what === 'die' || what === 'leave') && worker !== undefined) {
          workers.splice(workers.indexOf(worker), 1)
          if (what === 'leave') scheduler.workerLeaving(worker)
          else {
            for (const [id, candidate] of held) if (candidate.worker === worker) held.delete(id)
            run(scheduler.workerGone(worker, 'died'))
          }
        } else if (what === 'complete' && lease !== undefined) finishOne(lease)
        else if (what === 'fail' && lease !== undefined && failures++ < 2) {
          held.delete(lease.id)
          run(scheduler.failed(lease.id, 'test'))
        }
      }
      // Faults stop: with one more worker the task ends.
      const before = task
      run(scheduler.workerReady(nextWorker))
      for (let rounds = 0; task === before && rounds < 2 * shards + 50; rounds++) {
        const [lease] = held.values()
        assert.ok(lease, 'open shards but nobody computes')
        finishOne(lease)
      }
      assert.ok(task > before)
    }),
  )
})
