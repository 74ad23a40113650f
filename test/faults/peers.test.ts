import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { DeviceDescription } from '../../src/tensorflow/engine/engine.js'
import { bytesOf } from '../../src/shared/bytes-of.js'
import { chunksOf } from '../../src/shared/protocol/chunks.js'
import { FaultOracle } from './chaos/fault-oracle.js'
import { BOTH } from '../../src/bench/link/fault-proxy.js'
import { LyingWorker } from './chaos/lying-worker.js'
import { killLaunches } from '../support/launch.js'

// Real coordinators with a peer that sends false results, row by row of the fault table.

/** The honest worker is slow enough that there is work for the liar. */
const SLOW_LINK = { delayMs: 40 }
/** Id of no lease. */
const NEVER_GRANTED = 1_000_000

describe('a peer that sends false results', () => {
  const oracle = new FaultOracle()
  after(() => {
    killLaunches()
    oracle.remove()
  })

  it('fault 41: results with NaN, infinity, 1e30, a wrong shape, an unknown or an old lease are rejected, counted, and recomputed by other workers', async () => {
    await oracle.survives(1, async (fleet, [honest]) => {
      honest!.proxy.set(BOTH, SLOW_LINK)
      const { address } = await fleet.coordinator.announcement()
      const { worker } = await fleet.joined('a')
      const { device } = worker as { device: DeviceDescription }
      const liar = await LyingWorker.join(address, 'liar', device)
      const misshapen = await LyingWorker.join(address, 'misshapen', device)
      try {
        const vector = (value: number): Float32Array => new Float32Array(liar.gradientLength).fill(value)
        assert.equal(await liar.sends(NEVER_GRANTED, vector(0)), 'stale')
        // Others may take over its lease while its result is on the way: then its next one.
        const rejected = async (value: number): Promise<{ lease: number; reason: string }> => {
          for (;;) {
            const lease = await liar.lease()
            const reason = await liar.sends(lease, vector(value))
            if (reason !== 'stale') return { lease, reason }
          }
        }
        const first = await rejected(NaN)
        assert.match(first.reason, /^not finite in the gradient of /)
        assert.equal(await liar.sends(first.lease, vector(0)), 'stale')
        assert.match((await rejected(Infinity)).reason, /^not finite in the gradient of /)
        assert.match((await rejected(1e30)).reason, /^absurd \(1\.0\d*e\+30\) in the gradient of /)
        const [short] = chunksOf(await misshapen.lease(), bytesOf(vector(0).subarray(1)))
        assert.equal(await misshapen.sendsNonsense(short!), 'sent a malformed result')
      } finally {
        liar.close()
        misshapen.close()
        honest!.proxy.heal()
      }
      const lines = await fleet.coordinator.metrics()
      const of = (wanted: string, name: string): string[] =>
        lines.flatMap(({ kind, reason, worker: sender }) =>
          kind === wanted && (sender as { name: string }).name === name ? [String(reason)] : [],
        )
      const reasons = of('refused', 'liar')
      assert.equal(reasons.filter((reason) => reason !== 'stale').length, 3)
      assert.ok(reasons.filter((reason) => reason === 'stale').length >= 2)
      assert.deepEqual(of('worker-left', 'misshapen'), ['sent a malformed result'])
      assert.equal(lines.filter(({ kind, cause }) => kind === 'reissued' && cause === 'bad_result').length, 3)
      assert.deepEqual(
        lines.flatMap(({ kind, name }) => (kind === 'quarantined' ? [name] : [])),
        ['liar'],
      )
    })
  })
})
