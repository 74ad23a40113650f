import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { CLOSED_MS, FaultOracle, SILENT_MS } from './chaos/fault-oracle.js'
import { BOTH } from '../../src/bench/link/fault-proxy.js'
import type { Fleet, FleetWorker } from './chaos/fleet.js'
import { until } from '../support/until.js'
import { killLaunches } from '../support/launch.js'

// Real processes, row by row of the fault table. Peers are frozen only until they are detected; 30 s are too long for every test run.

/** Longer than any peer waits for an answer. */
const COORDINATOR_FREEZE_MS = 5_000

/** Enough for all faults of a run. */
const STEPS = 240

/** A step takes at least one round trip of this link. */
const SLOW_LINK = { delayMs: 150 }

/** Longer than a step, shorter than any keepalive. */
const ANSWER_MS = 500

/** Blocks messages to the only worker after its lease, and returns once it has delivered the result of a whole step. */
async function deafenAfterLease(fleet: Fleet, { proxy }: FleetWorker): Promise<void> {
  for (;;) {
    await fleet.moreSteps(1)
    const deafMs = Date.now()
    proxy.set(['down'], { blackhole: 'hold' })
    await delay(ANSWER_MS)
    const lines = await fleet.coordinator.metrics()
    if (lines.some(({ kind, time }) => kind === 'step' && Number(time) * 1000 > deafMs)) return
    // The worker was between two leases.
    proxy.heal()
  }
}

/** Restarts a worker, and waits until it takes part. Slow links keep the others from ending the run meanwhile. */
async function restart(fleet: Fleet, worker: FleetWorker, name: string): Promise<void> {
  const links = [...fleet.workers.values()].map(({ proxy }) => proxy)
  for (const link of links) {
    link.heal()
    link.set(BOTH, SLOW_LINK)
  }
  const restartedMs = Date.now()
  worker.restart()
  await fleet.joined(name, restartedMs)
  for (const link of links) link.heal()
}

describe('processes that die, freeze, leave and join', () => {
  const oracle = new FaultOracle(STEPS)
  after(() => {
    killLaunches()
    oracle.remove()
  })

  describe('the only worker', () => {
    // Through shared memory, because HTTP/2 needs window updates before a whole vector has passed (row 2).
    const run = oracle.run(1, [])
    after(async () => run.end())

    it('fault 02: a worker is killed after its last chunk, before any reply', async () => {
      await run.undergoes(async (fleet, [worker]) => {
        await deafenAfterLease(fleet, worker!)
        const killedMs = Date.now()
        worker!.launch.kill()
        await fleet.leftAfterMs('a', killedMs)
        worker!.proxy.heal()
        worker!.restart()
      })
    })

    it('fault 03: a worker freezes, is dropped, thaws and joins again', async () => {
      await run.undergoes(async (fleet, [worker]) => {
        const frozenMs = Date.now()
        worker!.freeze()
        const noticedMs = await fleet.leftAfterMs('a', frozenMs)
        assert.ok(noticedMs <= SILENT_MS, `noticed after ${noticedMs} ms`)
        await fleet.coordinator.untilMetrics(({ kind, time }) => kind === 'waiting' && Number(time) * 1000 >= frozenMs)
        worker!.thaw()
        await fleet.joined('a', frozenMs)
      })
    })

    it('fault 13: a worker with the name of a living one waits until that has left', async () => {
      await run.undergoes(async (fleet, [worker]) => {
        const second = worker!.spawn()
        await until('the rejected join', () => second.stderr.includes('A worker named a takes part already'))
        const killedMs = Date.now()
        worker!.launch.kill()
        await fleet.joined('a', killedMs)
        worker!.launch = second
      })
    })

    it('fault 15: scaled 1, 4, 2, 3 in mid-epoch', async () => {
      await run.undergoes(async (fleet, [first]) => {
        // Slow links leave time for all processes to start before the run ends.
        first!.proxy.set(BOTH, SLOW_LINK)
        const more = await Promise.all(['b', 'c', 'd'].map(async (name) => fleet.add(name)))
        for (const { proxy } of more) proxy.set(BOTH, SLOW_LINK)
        await Promise.all(['b', 'c', 'd'].map(async (name) => fleet.joined(name)))
        await fleet.moreSteps(2)
        for (const worker of [first!, more[0]!]) {
          worker.launch.terminate()
          assert.equal(await worker.launch.status(), 0)
        }
        await fleet.moreSteps(2)
        await fleet.add('e')
        await fleet.joined('e')
        for (const { proxy } of more) proxy.heal()
      })
    })
  })

  describe('one of two workers', () => {
    const run = oracle.run(2)
    after(async () => run.end())

    it('fault 01: a worker is killed in mid-step', async () => {
      await run.undergoes(async (fleet, [victim]) => {
        const killedMs = Date.now()
        victim!.launch.kill()
        const noticedMs = await fleet.leftAfterMs('a', killedMs)
        assert.ok(noticedMs <= CLOSED_MS, `noticed after ${noticedMs} ms`)
        await restart(fleet, victim!, 'a')
      })
    })

    it('fault 04: the coordinator freezes and thaws', async () => {
      await run.undergoes(async (fleet) => {
        fleet.coordinator.child.kill('SIGSTOP')
        await delay(COORDINATOR_FREEZE_MS)
        fleet.coordinator.child.kill('SIGCONT')
        await fleet.moreSteps(1)
      })
    })

    it('fault 07: a worker that receives SIGTERM leaves after its lease, with status 0', async () => {
      await run.undergoes(async (fleet, [leaver]) => {
        const askedMs = Date.now()
        leaver!.launch.terminate()
        assert.equal(await leaver!.launch.status(), 0)
        await fleet.leftAfterMs('a', askedMs)
        const lines = await fleet.coordinator.metrics()
        assert.deepEqual(
          lines.filter(({ kind, time }) => kind === 'reissued' && Number(time) * 1000 >= askedMs),
          [],
        )
        await restart(fleet, leaver!, 'a')
      })
    })

    it('fault 07: a second SIGTERM ends a worker that cannot reach its coordinator', async () => {
      await run.undergoes(async (fleet, [leaver]) => {
        leaver!.proxy.set(['down'], { blackhole: 'hold' })
        leaver!.launch.terminate()
        await until('the log line about leaving', () =>
          leaver!.launch.stderr.includes('Send the signal again to leave at once'),
        )
        leaver!.launch.terminate()
        assert.equal(await leaver!.launch.status(), 130)
        await restart(fleet, leaver!, 'a')
      })
    })

    it('fault 08: all workers die; the run waits, and continues when one joins', async () => {
      await run.undergoes(async (fleet, workers) => {
        const killedMs = Date.now()
        for (const { launch } of workers) launch.kill()
        await fleet.coordinator.untilMetrics(({ kind, time }) => kind === 'waiting' && Number(time) * 1000 >= killedMs)
        await restart(fleet, workers[1]!, 'b')
      })
    })
  })

  it('fault 07: a coordinator that receives SIGTERM saves its weights and ends its workers, with status 0', async () => {
    const fleet = oracle.fleet()
    try {
      const worker = await fleet.add('a')
      await fleet.moreSteps(3)
      fleet.coordinator.terminate()
      assert.equal(await fleet.coordinator.status(), 0)
      assert.match(fleet.coordinator.stderr, /What was done is in/)
      assert.equal(await worker.launch.status(), 0)
      assert.match(worker.launch.stderr, /the run is over/)
    } finally {
      fleet.close()
    }
  })

  it('fault 07: a coordinator that cannot write its last file still ends', async () => {
    const fleet = oracle.fleet()
    try {
      const worker = await fleet.add('a')
      await fleet.moreSteps(1)
      const { runDirectory } = await fleet.coordinator.announcement()
      mkdirSync(path.join(runDirectory, 'status.json'))
      fleet.coordinator.terminate()
      assert.equal(await fleet.coordinator.status(), 0)
      assert.match(fleet.coordinator.stderr, /Not everything was written at the end: EISDIR.*status\.json/)
      assert.equal(await worker.launch.status(), 0)
    } finally {
      fleet.close()
    }
  })
})
