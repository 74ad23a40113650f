import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { FaultOracle, SILENT_MS } from './chaos/fault-oracle.js'
import { BOTH } from '../../src/bench/link/fault-proxy.js'
import { killLaunches } from '../support/launch.js'

// Real processes with a network that is partitioned for a while, row by row of the fault table. Most of the time is waiting.

/** Longer than all keepalive and heartbeat limits. */
const PARTITION_MS = 60_000
/** Enough for all faults. */
const STEPS = 96

describe('a partitioned network', { concurrency: 2 }, () => {
  const oracle = new FaultOracle(STEPS)
  after(() => {
    killLaunches()
    oracle.remove()
  })

  describe('until it is detected', { concurrency: 1 }, () => {
    const run = oracle.run(1)
    after(async () => run.end())

    for (const [row, directions, blackhole] of [
      ['fault 17: no byte passes in either direction', BOTH, 'drop'],
      ['fault 18: no byte passes from the worker to the coordinator', ['up'], 'drop'],
      ['fault 18: no byte passes from the coordinator to the worker', ['down'], 'drop'],
      ['fault 18: bytes of the coordinator arrive much too late', ['down'], 'hold'],
    ] as const) {
      it(row, async () => {
        await run.undergoes(async (fleet, [worker]) => {
          const darkMs = Date.now()
          worker!.proxy.set(directions, { blackhole })
          const noticedMs = await fleet.leftAfterMs('a', darkMs)
          assert.ok(noticedMs <= SILENT_MS, `noticed after ${noticedMs} ms`)
          worker!.proxy.heal()
          await fleet.joined('a', darkMs)
        })
      })
    }
  })

  it('fault 19: a partition of 60 s heals', async () => {
    await oracle.survives(2, async (fleet, workers) => {
      const darkMs = Date.now()
      for (const { proxy } of workers) proxy.set(BOTH, { blackhole: 'hold' })
      await delay(PARTITION_MS)
      for (const { proxy } of workers) proxy.heal()
      await Promise.all([fleet.joined('a', darkMs), fleet.joined('b', darkMs)])
    })
  })
})
