import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DEFAULT_LIMITS } from '../../../src/scheduler/limits.js'
import type { Effect, Lease, SchedulerEvent } from '../../../src/scheduler/scheduler-events.js'
import { Scheduler } from '../../../src/scheduler/scheduler.js'
import { Speed } from '../../../src/scheduler/speeds.js'

/** A scheduler with ready workers and a clock set by the test. */
class Scene {
  readonly scheduler: Scheduler
  nowMs = 1_000
  #tasks = 0
  /** When each worker becomes free, by index. */
  readonly #freeMs: number[] = []

  constructor(names: readonly string[], auditEvery = 0) {
    this.scheduler = new Scheduler(DEFAULT_LIMITS, auditEvery)
    names.forEach((name, index) => this.join(index + 1, name))
  }

  join(worker: number, name: string, machine = ''): Effect[] {
    this.send({ kind: 'joined', worker, name, machine })
    this.send({ kind: 'connected', worker })
    return this.send({ kind: 'ready', worker })
  }

  send(event: SchedulerEvent): Effect[] {
    return this.scheduler.handle(this.nowMs, event)
  }

  begin(shards: number): Effect[] {
    return this.send({ kind: 'begin', task: { id: ++this.#tasks, kind: 'work', shards } })
  }

  good(lease: Lease, hash?: string): Effect[] {
    return this.send({
      kind: 'good-result',
      worker: lease.worker,
      lease: lease.id,
      ...(hash === undefined ? {} : { hash }),
    })
  }

  fail({ worker, id }: Lease): Effect[] {
    return this.send({ kind: 'failed', worker, lease: id, reason: 'no memory' })
  }

  /** Advances the clock; all workers but the `silent` ones send heartbeats. */
  pass(ms: number, ...silent: readonly number[]): Effect[] {
    const effects: Effect[] = []
    for (const end = this.nowMs + ms; this.nowMs < end;) {
      this.nowMs = Math.min(end, this.nowMs + 250)
      for (const { id } of this.scheduler.workers()) {
        if (!silent.includes(id)) effects.push(...this.send({ kind: 'heartbeat', worker: id, shardsDone: 0 }))
      }
      effects.push(...this.send({ kind: 'tick' }))
    }
    return effects
  }

  /**
   * Runs whole tasks; each worker takes `shardMs[worker - 1]` per shard. A started shard is finished even when its lease is revoked.
   * @param atOnce shards that each worker computes at once: a relay
   * @returns milliseconds of each task
   */
  run(tasks: number, shards: number, shardMs: readonly number[], atOnce: readonly number[] = []): number[] {
    const freeMs = this.#freeMs
    const running = new Map<number, { lease: Lease; startMs: number; endMs: number }>()
    const take = (effects: Effect[]): boolean => {
      for (const effect of effects) {
        if (effect.kind !== 'grant' && effect.kind !== 'revoke') continue
        const { lease } = effect
        const index = lease.worker - 1
        const each = shardMs[index]!
        const begun = running.get(lease.id)
        if (effect.kind === 'grant') {
          const startMs = Math.max(this.nowMs, freeMs[index] ?? 0)
          const rounds = Math.ceil(lease.shardCount / (atOnce[index] ?? 1))
          running.set(lease.id, { lease, startMs, endMs: startMs + rounds * each })
        } else if (begun !== undefined) {
          running.delete(lease.id)
          const shardsBegun = Math.ceil((this.nowMs - begun.startMs) / each)
          if (shardsBegun > 0) freeMs[index] = begun.startMs + shardsBegun * each
        }
      }
      return effects.some(({ kind }) => kind === 'done')
    }
    return Array.from({ length: tasks }, () => {
      const beganMs = this.nowMs
      // However long a shard takes, its worker is not silent.
      for (const { id } of this.scheduler.workers())
        this.send({ kind: 'heartbeat', worker: id, shardsDone: 0, workers: atOnce[id - 1] ?? 1 })
      let isDone = take(this.begin(shards))
      while (!isDone) {
        const next = [...running.values()].sort((one, other) => one.endMs - other.endMs)[0]
        const wakeMs = this.scheduler.wakeMs
        if (next === undefined || wakeMs < next.endMs) {
          this.nowMs = wakeMs
          isDone = take(this.send({ kind: 'tick' }))
        } else {
          this.nowMs = next.endMs
          running.delete(next.lease.id)
          isDone = take(this.good(next.lease))
        }
      }
      return this.nowMs - beganMs
    })
  }
}

function granted(effects: readonly Effect[]): Lease[] {
  return effects.flatMap((effect) => (effect.kind === 'grant' ? [effect.lease] : []))
}

function kinds(effects: readonly Effect[]): string[] {
  return effects.map(({ kind }) => kind)
}

describe('scheduler', () => {
  test('a relay gets a shard for each of its workers, beside a worker that is as fast as one of them', () => {
    const scene = new Scene(['relay', 'a'])
    const taskMs = scene.run(8, 10, [100, 100], [4, 1])
    assert.deepEqual(taskMs.slice(4), [200, 200, 200, 200])
  })

  test('a relay whose shards take longer than a lease should gets one for each of its workers', () => {
    const shardMs = 2 * DEFAULT_LIMITS.longestLeaseMs
    const taskMs = new Scene(['relay']).run(6, 8, [shardMs], [8])
    assert.deepEqual(new Set(taskMs), new Set([shardMs]))
  })

  test('idle workers share a task equally', () => {
    const leases = granted(new Scene(['a', 'b']).begin(4))
    assert.deepEqual(
      leases.map(({ worker, firstShard, shardCount }) => [worker, firstShard, shardCount]),
      [
        [1, 0, 2],
        [2, 2, 2],
      ],
    )
  })

  test('blocks follow the measured speed: a third of the speed gives half the block', () => {
    const scene = new Scene(['fast', 'slow'])
    scene.run(5, 16, [10, 30])
    const counts = granted(scene.begin(16)).map(({ worker, shardCount }) => [worker, shardCount])
    assert.deepEqual(counts, [
      [1, 8],
      [2, 4],
    ])
  })

  test('shards of a lost worker go to the next idle worker, and its lease ends', () => {
    const scene = new Scene(['a', 'b'])
    const [first, second] = granted(scene.begin(4)) as [Lease, Lease]
    assert.deepEqual(kinds(scene.send({ kind: 'gone', worker: 1, reason: 'killed' })), ['reissue'])
    assert.equal(scene.scheduler.lease(first.id, 1), undefined)
    const [again] = granted(scene.good(second)) as [Lease]
    assert.deepEqual([again.worker, again.firstShard], [2, 0])
  })

  test("fault 41: a result of another worker's lease, or of an ended lease, is discarded", () => {
    const scene = new Scene(['a', 'b'])
    const [first] = granted(scene.begin(2)) as [Lease]
    const stolen = scene.send({ kind: 'good-result', worker: 2, lease: first.id })
    assert.deepEqual(stolen, [{ kind: 'discard', lease: first.id, code: 'stale' }])
    scene.good(first)
    assert.deepEqual(scene.good(first), [{ kind: 'discard', lease: first.id, code: 'stale' }])
  })

  test('an idle worker rescues the lease of a straggler; the first result revokes the other lease', () => {
    const scene = new Scene(['a', 'b'])
    scene.run(3, 2, [100, 100])
    const [first, second] = granted(scene.begin(2)) as [Lease, Lease]
    scene.nowMs += 100
    scene.good(first)
    assert.equal(scene.scheduler.wakeMs, scene.nowMs - 100 + 2 * 100 + DEFAULT_LIMITS.overdueSlackMs)
    scene.nowMs = scene.scheduler.wakeMs
    const effects = scene.send({ kind: 'tick' })
    assert.deepEqual(kinds(effects), ['rescue', 'state', 'grant'])
    const [rescue] = granted(effects) as [Lease]
    assert.deepEqual([rescue.worker, rescue.firstShard], [1, second.firstShard])
    const end = scene.good(rescue)
    assert.ok(end.some((effect) => effect.kind === 'revoke' && effect.lease.id === second.id))
    assert.ok(end.some(({ kind }) => kind === 'done'))
  })

  test('fault 11: a worker at a tenth of the speed slows the other three by less than 15 %', () => {
    const total = (times: readonly number[]): number => times.reduce((sum, ms) => sum + ms, 0)
    for (const shards of [4, 16, 32]) {
      for (const shardMs of [10, 40]) {
        const equals = [shardMs, shardMs + 1, shardMs + 2]
        const three = total(new Scene(['a', 'b', 'c']).run(200, shards, equals))
        const four = total(new Scene(['a', 'b', 'c', 'd']).run(200, shards, [...equals, 10 * shardMs]))
        assert.ok(four < three / 0.85, `${shards} shards of ${shardMs} ms: ${four} ms with it, ${three} ms without`)
        // A worker that slows down later: shards of a revoked lease must not hide its speed.
        const scene = new Scene(['a', 'b', 'c', 'd'])
        scene.run(50, shards, [...equals, shardMs])
        const slowed = total(scene.run(200, shards, [...equals, 10 * shardMs]))
        assert.ok(slowed < three / 0.85, `${shards} shards of ${shardMs} ms: ${slowed} ms since it slowed down`)
      }
    }
  })

  test('a worker that started slowly regains its full share after a few tasks', () => {
    const total = (times: readonly number[]): number => times.reduce((sum, ms) => sum + ms, 0)
    for (const shards of [4, 16]) {
      const scene = new Scene(['a', 'b'])
      scene.run(3, shards, [50, 500])
      scene.run(12, shards, [50, 50])
      const later = total(scene.run(20, shards, [50, 50]))
      assert.ok(later <= 20 * (shards / 2) * 50 * 1.02, `${shards} shards: ${later} ms`)
    }
  })

  test('one worker does not get all shards when more workers are on trial than shards are open', () => {
    const shardMs = Array.from({ length: 8 }, (_, index) => 50 + 2 * index)
    const scene = new Scene(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'])
    scene.run(3, 8, shardMs)
    // Half of the workers are passed over, until they are on trial.
    const longest = Math.max(...scene.run(12, 4, shardMs))
    assert.ok(longest < 2 * 50, `${longest} ms`)
  })

  test('fault 9: a worker that crashes on every lease is quarantined, longer each time', () => {
    const scene = new Scene(['good', 'bad'])
    let worker = 2
    const quarantines: number[] = []
    for (let crash = 0; crash < 6; crash++) {
      assert.ok(granted(scene.begin(2)).some((lease) => lease.worker === worker))
      for (const effect of scene.send({ kind: 'gone', worker, reason: 'connection lost' })) {
        if (effect.kind === 'quarantine') quarantines.push(effect.untilMs - scene.nowMs)
      }
      scene.send({ kind: 'abandon' })
      scene.join(++worker, 'bad')
      assert.equal(scene.scheduler.stateOf(1), 'ready')
      if (scene.scheduler.stateOf(worker) === 'quarantined') scene.pass(5_500)
    }
    assert.deepEqual(quarantines, [5_000, 10_000])
  })

  test('a failed shard goes to another worker at once, and ends the run after three workers', () => {
    const scene = new Scene(['a', 'b', 'c', 'd'])
    let [lease] = granted(scene.begin(1)) as [Lease]
    for (const next of [2, 3]) {
      const effects = scene.fail(lease)
      assert.deepEqual(kinds(effects), ['state', 'reissue', 'state', 'grant'])
      lease = granted(effects)[0]!
      assert.equal(lease.worker, next)
    }
    assert.ok(scene.fail(lease).some((effect) => effect.kind === 'give-up' && effect.cause === 'failures'))
  })

  test('a shard fails nine times on a single worker, with quarantines in between, before the run ends', () => {
    const scene = new Scene(['a'])
    let effects = scene.begin(1)
    const seen: Effect[] = []
    for (let failures = 1; failures <= DEFAULT_LIMITS.failuresPerShard; failures++) {
      effects = scene.fail(granted(effects)[0]!)
      seen.push(...effects)
      if (failures % DEFAULT_LIMITS.strikes === 0) effects = scene.pass(DEFAULT_LIMITS.longestQuarantineMs)
    }
    assert.equal(seen.filter(({ kind }) => kind === 'quarantine').length, 3)
    assert.deepEqual(
      seen.flatMap((effect) => (effect.kind === 'give-up' ? [effect.cause] : [])),
      ['failures'],
    )
    assert.equal(seen.at(-1)!.kind, 'give-up')
  })

  test('a shard whose workers are lost goes to other workers first, and ends the run after 32 losses', () => {
    const scene = new Scene(['a', 'b'])
    const [lost, other] = granted(scene.begin(2)) as [Lease, Lease]
    scene.send({ kind: 'gone', worker: 1, reason: 'killed' })
    assert.deepEqual(granted(scene.join(3, 'a')), [], 'b has not failed on it')
    const [again] = granted(scene.good(other)) as [Lease]
    assert.deepEqual([again.worker, again.firstShard], [2, lost.firstShard])
    let effects = scene.send({ kind: 'gone', worker: 2, reason: 'killed' })
    for (let losses = 3; losses <= DEFAULT_LIMITS.lossesPerShard; losses++) {
      const [{ worker }] = granted(effects) as [Lease]
      effects = scene.send({ kind: 'gone', worker, reason: 'killed' })
      if (losses < DEFAULT_LIMITS.lossesPerShard) effects = scene.join(losses + 1, `w${losses}`)
    }
    assert.ok(effects.some((effect) => effect.kind === 'give-up' && effect.cause === 'losses'))
  })

  test('fault 3: a silent worker is suspect after two heartbeats and dropped after four', () => {
    const scene = new Scene(['a', 'b'])
    scene.begin(2)
    scene.pass(2_000, 2)
    assert.equal(scene.scheduler.stateOf(2), 'suspect')
    const effects = scene.pass(1_250, 2)
    assert.ok(effects.some((effect) => effect.kind === 'drop' && effect.worker === 2))
    assert.equal(scene.scheduler.stateOf(1), 'busy')
  })

  test('fault 12: a worker without progress is dropped; a worker that finishes shards is not, however long its lease is', () => {
    const scene = new Scene(['a'])
    scene.begin(1_000)
    for (let shards = 1; shards <= 10; shards++) {
      assert.deepEqual(scene.pass(60_000), [])
      scene.send({ kind: 'heartbeat', worker: 1, shardsDone: shards })
    }
    const effects = scene.pass(DEFAULT_LIMITS.progressMs + 500)
    assert.deepEqual(kinds(effects)[0], 'drop')
  })

  test('fault 12: a worker that reports more shards than its lease has counts as hung', () => {
    const scene = new Scene(['a'])
    scene.begin(2)
    const effects = Array.from({ length: 5 }, (_, shards) => {
      scene.send({ kind: 'heartbeat', worker: 1, shardsDone: shards + 1 })
      return scene.pass(60_000)
    })
    assert.deepEqual(
      effects.map((passed) => passed.some(({ kind }) => kind === 'drop')),
      [false, false, false, false, true],
    )
  })

  test('fault 4: time in which the coordinator itself was stopped drops no worker', () => {
    const scene = new Scene(['a'])
    scene.begin(1)
    scene.nowMs += 30_000
    assert.deepEqual(scene.send({ kind: 'tick' }), [])
  })

  test('fault 41: a shard with a bad result goes to another worker; the same bad result from both ends the run', () => {
    const scene = new Scene(['a', 'b'])
    const [first, second] = granted(scene.begin(2)) as [Lease, Lease]
    const bad = (lease: Lease): Effect[] =>
      scene.send({
        kind: 'bad-result',
        worker: lease.worker,
        lease: lease.id,
        code: 'not_finite',
        reason: 'not finite',
        hash: 'same',
      })
    assert.deepEqual(granted(bad(first)), [], 'the same worker does not get it again')
    assert.equal(scene.scheduler.stateOf(1), 'ready')
    assert.deepEqual(bad(first), [{ kind: 'discard', lease: first.id, code: 'stale' }])
    const [again] = granted(scene.good(second)) as [Lease]
    assert.deepEqual([again.worker, again.firstShard], [2, 0])
    const end = bad(again)
    assert.ok(end.some((effect) => effect.kind === 'give-up' && effect.cause === 'same-result'))
    assert.deepEqual(scene.scheduler.leases, [])
  })

  /** A scene with one worker per machine, in which all but the last give the same bad result for one shard. */
  function outvoted(machines: readonly string[]): { effects: Effect[]; honest: number } {
    const scene = new Scene([])
    machines.forEach((machine, index) => scene.join(index + 1, `w${index + 1}`, machine))
    const honest = machines.length
    let effects = scene.begin(1)
    for (;;) {
      const [lease] = granted(effects)
      if (lease === undefined || lease.worker === honest) return { effects, honest }
      const { worker, id } = lease
      effects = scene.send({
        kind: 'bad-result',
        worker,
        lease: id,
        code: 'not_finite',
        reason: 'not finite',
        hash: 'same',
      })
    }
  }

  test('fault 64: broken workers of one machine do not end the run before a healthy worker has computed the shard', () => {
    for (const machines of [
      ['one', 'one', 'two'],
      ['one', 'one', 'one'],
      ['one', 'one', 'one', 'one', 'two'],
      ['one', 'two', 'three'],
    ]) {
      const { effects, honest } = outvoted(machines)
      assert.equal(granted(effects)[0]?.worker, honest, machines.join())
    }
  })

  test('fault 64: three equal results end the run when all workers are on one machine, and the workers are named', () => {
    const { effects } = outvoted(['one', 'one', 'one', 'one'])
    const end = effects.find((effect) => effect.kind === 'give-up')
    assert.equal(end?.cause, 'same-result')
    assert.deepEqual(end.failedBy, ['w1', 'w2', 'w3'])
  })

  test('three bad results in a row put a worker in quarantine; a good one in between resets the count', () => {
    const scene = new Scene(['a'])
    const quarantined = (isGood: (result: number) => boolean): boolean => {
      const seen: Effect[] = []
      let effects = scene.begin(10)
      for (let result = 0; result < 6; result++) {
        const [lease] = granted(effects) as [Lease]
        if (lease === undefined) break
        const why = { code: 'not_finite', reason: 'not finite' } as const
        const bad = { worker: 1, lease: lease.id, ...why, hash: `${lease.id}` }
        effects = isGood(result) ? scene.good(lease) : scene.send({ kind: 'bad-result', ...bad })
        seen.push(...effects)
      }
      scene.send({ kind: 'abandon' })
      return seen.some(({ kind }) => kind === 'quarantine')
    }
    assert.equal(
      quarantined((result) => result % 3 === 2),
      false,
    )
    assert.equal(
      quarantined(() => false),
      true,
    )
  })

  test('fault 16: a third worker decides which of two results is wrong, and only the right one counts', () => {
    const scene = new Scene(['liar', 'b', 'c'], 1)
    const hashOf = ({ worker }: Lease): string => (worker === 1 ? 'wrong' : 'right')
    const seen: Effect[] = []
    let leases = granted(scene.begin(1))
    while (leases.length > 0) {
      const effects = leases.flatMap((lease) => scene.good(lease, hashOf(lease)))
      seen.push(...effects)
      leases = granted(effects).filter(({ id, worker }) => scene.scheduler.lease(id, worker))
    }
    assert.ok(
      seen.some((effect) => effect.kind === 'quarantine' && effect.name === 'liar' && effect.untilMs === Infinity),
    )
    assert.ok(seen.some((effect) => effect.kind === 'audit' && effect.outcome === 'mismatch'))
    const counted = seen.flatMap((effect) => (effect.kind === 'count' ? [effect.lease.id] : []))
    assert.equal(counted.length, 1)
    assert.equal(scene.scheduler.stateOf(1), 'quarantined')
  })

  test('fault 16: of two workers, the one that contradicts itself is quarantined', () => {
    const scene = new Scene(['a', 'b'], 1)
    let flips = 0
    const hashOf = ({ worker }: Lease): string => (worker === 1 && flips++ === 0 ? 'flipped' : 'right')
    const seen: Effect[] = []
    let leases = granted(scene.begin(1))
    while (leases.length > 0) {
      const effects = leases.flatMap((lease) => scene.good(lease, hashOf(lease)))
      seen.push(...effects)
      leases = granted(effects)
    }
    assert.ok(seen.some((effect) => effect.kind === 'quarantine' && effect.name === 'a'))
    assert.ok(seen.some(({ kind }) => kind === 'done'))
  })

  test('fault 16: a worker with a different result each time is detected by the only other worker', () => {
    const scene = new Scene(['broken', 'b'], 1)
    const seen: Effect[] = []
    let leases = granted(scene.begin(1))
    while (leases.length > 0) {
      const effects = leases.flatMap((lease) => scene.good(lease, lease.worker === 1 ? `wrong ${lease.id}` : 'right'))
      seen.push(...effects)
      leases = granted(effects).filter(({ id, worker }) => scene.scheduler.lease(id, worker))
    }
    assert.deepEqual(
      seen.flatMap((effect) => (effect.kind === 'quarantine' ? [effect.name] : [])),
      ['broken'],
    )
    const [counted] = seen.flatMap((effect) => (effect.kind === 'count' ? [effect.lease.id] : []))
    assert.ok(seen.some((effect) => effect.kind === 'keep' && effect.lease.id === counted && effect.lease.worker === 2))
  })

  test('fault 16: two workers that repeat different results wait for a third, and the dispute is reported once', () => {
    const scene = new Scene(['a', 'b'], 1)
    const hashOf = ({ worker }: Lease): string => (worker === 1 ? 'wrong' : 'right')
    const outcomes = (effects: readonly Effect[]): string[] =>
      effects.flatMap((effect) => (effect.kind === 'audit' ? [effect.outcome] : []))
    const seen: Effect[] = []
    let leases = granted(scene.begin(1))
    for (let results = 0; leases.length > 0; results++) {
      assert.ok(results < 4, 'each computes twice')
      const effects = leases.flatMap((lease) => scene.good(lease, hashOf(lease)))
      seen.push(...effects)
      leases = granted(effects)
    }
    assert.deepEqual(outcomes([...seen, ...scene.pass(1_000)]), ['disputed'])
    const [third] = granted(scene.join(3, 'c')) as [Lease]
    assert.deepEqual(outcomes(scene.good(third, 'right')), ['mismatch'])
    assert.equal(scene.scheduler.stateOf(1), 'quarantined')
  })

  test('fault 16: the lease of a worker found to compute wrongly is revoked', () => {
    const scene = new Scene(['liar', 'b', 'c'], 1)
    const [ofLiar, ofB, ofC] = granted(scene.begin(2)) as [Lease, Lease, Lease]
    const [held] = granted(scene.good(ofLiar, 'wrong')) as [Lease]
    scene.good(ofB, 'right')
    const [decisive] = granted(scene.good(ofC, 'right')) as [Lease]
    const effects = scene.good(decisive, 'right')
    assert.ok(effects.some((effect) => effect.kind === 'revoke' && effect.lease.id === held.id))
    assert.deepEqual([held.worker, scene.scheduler.stateOf(1)], [1, 'quarantined'])
  })

  test('fault 16: no result of a worker found to compute wrongly counts, even when all others are gone', () => {
    const scene = new Scene(['liar', 'b', 'c'], 1)
    const seen: Effect[] = []
    const note = (effects: Effect[]): Lease => {
      seen.push(...effects)
      return granted(effects)[0]!
    }
    const [first, ofB, ofC] = granted(scene.begin(3)) as [Lease, Lease, Lease]
    const lies = [first]
    for (let block = 0; block < 2; block++) lies.push(note(scene.good(lies.at(-1)!, 'wrong')))
    note(scene.good(lies[2]!, 'wrong'))
    note(scene.good(ofB, 'right'))
    const decisive = note(scene.good(ofC, 'right'))
    note(scene.good(decisive, 'right'))
    assert.ok(seen.some((effect) => effect.kind === 'quarantine' && effect.name === 'liar'))
    // No other worker has finished the last block of the liar.
    for (const worker of [2, 3]) note(scene.send({ kind: 'gone', worker, reason: 'killed' }))
    const counted = seen.flatMap((effect) => (effect.kind === 'count' ? [effect.lease.id] : []))
    assert.deepEqual(counted, [ofB.id, ofC.id])
    assert.equal(note(scene.join(4, 'd')).firstShard, lies[2]!.firstShard)
  })

  test('fault 7: a draining worker finishes its lease, then leaves', () => {
    const scene = new Scene(['a', 'b'])
    const [first] = granted(scene.begin(4)) as [Lease]
    assert.deepEqual(kinds(scene.send({ kind: 'draining', worker: 1 })), ['state'])
    assert.deepEqual(kinds(scene.good(first)), ['goodbye', 'count'])
  })

  test('a silent worker that an operator lets go does not count as heard', () => {
    const scene = new Scene(['a', 'b'])
    const [first] = granted(scene.begin(4)) as [Lease]
    scene.pass(2_000, 1)
    assert.equal(scene.scheduler.stateOf(1), 'suspect')
    assert.deepEqual(kinds(scene.send({ kind: 'draining', worker: 1, isOrdered: true })), ['state'])
    assert.equal(scene.scheduler.stateOf(1), 'draining')
    assert.ok(kinds(scene.pass(2_000, 1)).includes('drop'))
    assert.equal(scene.scheduler.lease(first.id, 1)?.id, first.id)
  })

  test('the shutdown timeout of a draining worker starts after its last lease; then it is dropped', () => {
    const scene = new Scene(['a'])
    const [lease] = granted(scene.begin(2)) as [Lease]
    scene.send({ kind: 'draining', worker: 1 })
    for (const shardsDone of [1, 2]) {
      scene.pass(DEFAULT_LIMITS.progressMs - 1_000)
      scene.send({ kind: 'heartbeat', worker: 1, shardsDone })
    }
    scene.good(lease)
    assert.deepEqual(scene.pass(DEFAULT_LIMITS.progressMs - 1_000), [])
    assert.deepEqual(kinds(scene.pass(2_000))[0], 'drop')
  })
})

describe('the speed of a worker', () => {
  test('is a moving average that skips the first measurement', () => {
    const speed = new Speed()
    const measured = [900, 100, 200, 200].map((shardMs) => {
      speed.measure('WORK_GRADIENT', shardMs)
      return speed.shardMs('WORK_GRADIENT')
    })
    // The first measurement includes building the graph.
    assert.deepEqual(measured, [undefined, 100, 130, 151])
    assert.equal(speed.shardMs('WORK_EVALUATE'), undefined)
  })
})
