import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { WhatIf } from '../src/simulation/predict-throughput.js'
import { predictThroughput } from '../src/simulation/predict-throughput.js'

const WHAT_IF: WhatIf = {
  ...{ workers: 1, cores: 64, shards: 16, shardSize: 32, shardMs: 50, jitter: 0, vectorBytes: 1_000_000 },
  ...{ bandwidth: 1e10, latencyMs: 0.1, resultMs: 1, betweenStepsMs: 1, failuresPerWorkerHour: 0, restartMs: 10_000 },
  ...{ steps: 40, seed: 1 },
}

describe('convoy simulate', () => {
  test('a worker that loses no time does what its shards take', async () => {
    const { stepMs, samplesPerSecond, efficiency, goodput, bottleneck } = await predictThroughput(WHAT_IF)
    assert.ok(stepMs > 16 * 50 && stepMs < 16 * 50 * 1.02, `${stepMs} ms`)
    assert.ok(Math.abs(samplesPerSecond - (16 * 32 * 1000) / stepMs) < 1e-9)
    assert.ok(efficiency > 0.98 && efficiency <= 1)
    assert.equal(goodput, 1)
    assert.equal(bottleneck, 'compute')
  })

  test('names what a cluster loses most time with', async () => {
    const bottleneck = async (change: Partial<WhatIf>): Promise<string> =>
      (await predictThroughput({ ...WHAT_IF, workers: 8, ...change })).bottleneck
    assert.equal(await bottleneck({ workers: 32 }), 'too few shards')
    assert.equal(await bottleneck({ bandwidth: 2e8 }), 'network')
    assert.equal(await bottleneck({ resultMs: 20 }), 'coordinator')
    assert.equal(await bottleneck({ cores: 2 }), 'cores')
    assert.equal(await bottleneck({ failuresPerWorkerHour: 300, steps: 300 }), 'failures')
  })

  test('failures cost goodput, and the seed decides them', async () => {
    const whatIf = { ...WHAT_IF, workers: 4, failuresPerWorkerHour: 200, steps: 300 }
    const one = await predictThroughput(whatIf)
    assert.ok(one.goodput < 0.95, `${one.goodput}`)
    assert.deepEqual(await predictThroughput(whatIf), one)
    assert.notDeepEqual(await predictThroughput({ ...whatIf, seed: 2 }), one)
  })
})
