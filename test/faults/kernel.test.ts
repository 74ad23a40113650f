import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { FaultOracle, SILENT_MS } from './chaos/fault-oracle.js'
import { BOTH } from '../../src/bench/link/fault-proxy.js'
import { KernelLink, whyNoKernelLink, whyNoNetem } from './chaos/kernel-link.js'
import { killLaunches } from '../support/launch.js'

// Rows of the fault table with a network in the kernel: packets are lost, TCP sends them again at growing intervals, and during a
// partition no connection can be made.

/** For row 19, whose 60 s are too long for every test run. */
const PARTITION_MS = 10_000
/** From the end of a partition until the worker takes part: one attempt to join, and the wait between two. */
const REJOIN_MS = 8_000
/** Enough for all faults. */
const STEPS = 144

const noLink = whyNoKernelLink()
const noNetem = noLink ?? whyNoNetem()
if (noLink) process.stderr.write(`✖ Skipped, all faults in the kernel: ${noLink}\n`)
else if (noNetem) process.stderr.write(`✖ Skipped, losses and delays in the kernel: ${noNetem}\n`)

describe('a bad network in the kernel', { skip: noLink ?? false }, () => {
  const oracle = new FaultOracle(STEPS)
  const link = noLink === undefined ? new KernelLink() : undefined
  const run = link && oracle.runBeyond(link)
  after(async () => {
    await run?.end().finally(() => {
      killLaunches()
      oracle.remove()
      link?.close()
    })
  })

  for (const [row, directions] of [
    ['fault 17: packets are lost both ways', BOTH],
    ['fault 18: packets from the worker to the coordinator are lost', ['up']],
    ['fault 18: packets from the coordinator to the worker are lost', ['down']],
  ] as const) {
    it(row, async () => {
      await run!.undergoes(async (fleet) => {
        const darkMs = Date.now()
        link!.darken(directions)
        const noticedMs = await fleet.leftAfterMs('a', darkMs)
        assert.ok(noticedMs <= SILENT_MS, `noticed after ${noticedMs} ms`)
        link!.heal()
        await fleet.joined('a', darkMs)
      })
    })
  }

  it('fault 19: a partition of 10 s heals', async () => {
    await run!.undergoes(async (fleet) => {
      link!.darken(BOTH)
      await delay(PARTITION_MS)
      link!.heal()
      const healedMs = Date.now()
      const { time } = await fleet.joined('a', healedMs)
      const rejoinedMs = Number(time) * 1000 - healedMs
      assert.ok(rejoinedMs <= REJOIN_MS, `joined ${rejoinedMs} ms after it healed`)
    })
  })

  it('fault 22: a link of 1 Mbit/s is slow, not dead', async () => {
    await run!.undergoes(async (fleet) => {
      const slowMs = Date.now()
      link!.limit(1_000_000)
      await fleet.moreSteps(1)
      link!.heal()
      const left = (await fleet.coordinator.metrics()).filter(
        ({ kind, time }) => kind === 'worker-left' && Number(time) * 1000 >= slowMs,
      )
      assert.deepEqual(left, [])
    })
  })

  for (const [row, rule] of [
    ['fault 20: a fifth of all packets is lost', 'loss 20%'],
    ['fault 21: a round trip of 100 ms with jitter', 'delay 50ms 10ms'],
  ] as const) {
    it(row, { skip: noNetem ?? false }, async () => {
      await run!.undergoes(async (fleet) => {
        link!.impair(rule)
        await fleet.moreSteps(2)
        link!.heal()
      })
    })
  }
})
