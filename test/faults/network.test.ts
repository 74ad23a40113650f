import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import net from 'node:net'
import { after, describe, it } from 'node:test'
import { FaultOracle } from './chaos/fault-oracle.js'
import { BOTH, FaultProxy } from '../../src/bench/link/fault-proxy.js'
import { until } from '../support/until.js'
import { killLaunches, Launch } from '../support/launch.js'

// Real processes behind a bad network, row by row of the fault table. The only worker of the run has the bad link, so that the
// run cannot end before the link has healed.

/** Enough for all faults. */
const STEPS = 160

describe('a bad network', () => {
  const oracle = new FaultOracle(STEPS)
  const run = oracle.run(1)
  after(async () => {
    await run.end().finally(() => {
      killLaunches()
      oracle.remove()
    })
  })

  it('fault 20: a fifth of the packets are lost and sent again', async () => {
    await run.undergoes(async (fleet, [worker]) => {
      worker!.proxy.set(BOTH, { lossRate: 0.2 })
      await fleet.moreSteps(10)
      worker!.proxy.heal()
    })
  })

  it('fault 21: a round trip of 100 ms with jitter', async () => {
    await run.undergoes(async (fleet, [worker]) => {
      worker!.proxy.set(BOTH, { delayMs: 40, jitterMs: 20 })
      await fleet.moreSteps(5)
      worker!.proxy.heal()
    })
  })

  it('fault 22: a link of 1 Mbit/s is slow, not dead', async () => {
    await run.undergoes(async (fleet, [worker]) => {
      const slowMs = Date.now()
      worker!.proxy.set(BOTH, { bytesPerSecond: 125_000 })
      await fleet.moreSteps(1)
      worker!.proxy.heal()
      const left = (await fleet.coordinator.metrics()).filter(
        ({ kind, time }) => kind === 'worker-left' && Number(time) * 1000 >= slowMs,
      )
      assert.deepEqual(left, [])
    })
  })

  it('fault 23: RST in the middle of a chunk', async () => {
    await run.undergoes(async (fleet, [worker]) => {
      worker!.proxy.set(['up'], { bytesPerSecond: 1_000_000 })
      // HTTP/2's window permits more than that at once; no other message has this size.
      await until('a chunk on its way', () => worker!.proxy.heldBytes('up') > 32_000)
      const cutMs = Date.now()
      worker!.proxy.reset()
      worker!.proxy.heal()
      await fleet.joined('a', cutMs)
    })
  })

  it('fault 24: the coordinator sees the connection closed, the worker does not', async () => {
    await run.undergoes(async (fleet, [worker]) => {
      const cutMs = Date.now()
      worker!.proxy.closeServerSides()
      await fleet.leftAfterMs('a', cutMs)
      await fleet.joined('a', cutMs)
    })
  })

  for (const [what, direction] of [
    ['a gradient', 'up'],
    ['weights', 'down'],
  ] as const) {
    it(`fault 25: flipped bits in ${what}`, async () => {
      await run.undergoes(async (fleet, [worker]) => {
        for (let round = 0; round < 6; round++) {
          worker!.proxy.set([direction], { flips: 1, flipAtLeastBytes: 4_096 })
          await until('a flipped bit', () => worker!.proxy.flipsLeft(direction) === 0)
          await fleet.moreSteps(1)
        }
      })
    })
  }

  it('fault 25: flipped bits in control messages', async () => {
    await run.undergoes(async (fleet, [worker]) => {
      let rounds = 0
      for (let round = 0; round < 6; round++) {
        worker!.proxy.set(BOTH, { flips: 1 })
        await fleet.moreSteps(4)
        if (BOTH.every((direction) => worker!.proxy.flipsLeft(direction) === 0)) rounds++
      }
      assert.ok(rounds > 0, 'no bit was flipped')
      worker!.proxy.heal()
      // Ends a connection that would wait for the rest of a message for ever.
      worker!.proxy.reset()
    })
  })

  it("fault 26: the coordinator's address changes", async () => {
    await run.undergoes(async (fleet, [worker]) => {
      const { address } = await fleet.coordinator.announcement()
      const elsewhere = await FaultProxy.start(address)
      try {
        const movedMs = Date.now()
        worker!.proxy.retarget(elsewhere.address)
        await fleet.joined('a', movedMs)
        await fleet.moreSteps(2)
        worker!.proxy.retarget(address)
      } finally {
        elsewhere.close()
      }
    })
  })

  it('fault 27: a port in use is reported, and no partially started run is left', async () => {
    const other = net.createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const taken = `127.0.0.1:${(other.address() as net.AddressInfo).port}`
    for (const flag of ['--listen', '--admin-listen', '--metrics-listen']) {
      const free = ['--listen', '--admin-listen', '--metrics-listen'].flatMap((name) => [name, '127.0.0.1:0'])
      const launch = new Launch(['coordinator', '--recipe', 'quick', ...free, flag, taken])
      assert.equal(await launch.status(), 2)
      assert.match(launch.stderr, new RegExp(`Cannot listen on ${taken}: the port is in use.*${flag}`))
      assert.deepEqual(
        readdirSync('/dev/shm').filter((name) => name.startsWith(`convoy-coordinator-${launch.child.pid}-`)),
        [],
      )
    }
    other.close()
  })
})
