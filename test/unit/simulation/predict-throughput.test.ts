import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { runConfigSchema } from '../../../src/model/config/run-config.js'
import type { ConvoyError } from '../../../src/shared/errors.js'
import type { ClusterScenario } from '../../../src/simulation/cluster-scenario.js'
import { measuredCluster, readMeasuredRuns } from '../../../src/simulation/measured-cluster.js'
import { predictThroughput } from '../../../src/simulation/predict-throughput.js'

const NOTHING = { sendMs: 0, receiveMs: 0, downMs: 0, upMs: 0 }
const FREE = { memory: NOTHING, network: NOTHING, copyMs: 0 }

const SCENARIO: ClusterScenario = {
  ...{ workers: 1, cores: 64, shards: 16, shardSize: 32, shardMs: 50, jitter: 0, vectorBytes: 1_000_000 },
  ...{
    relays: 0,
    link: { bandwidth: 1e10, latencyMs: 0.1 },
    exchange: FREE,
    resultMs: 1,
    betweenStepsMs: 1,
    failuresPerWorkerHour: 0,
    restartMs: 10_000,
  },
  ...{ steps: 40, seed: 1 },
}

describe('convoy simulate', () => {
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-simulate-'))
  after(() => {
    rmSync(scratch, { recursive: true })
  })

  /** The directory of a run. */
  function run(name: string, network: string, workers: number, shardMs: number, side = 32): string {
    const directory = path.join(scratch, name)
    const settings = { network: { name: network }, augmentation: {}, optimizer: { kind: 'sgd' }, epochs: 1 }
    const config = runConfigSchema.parse({ ...settings, schedule: { kind: 'cosine', peak: 0.1 }, batchSize: 128 })
    const timing = { shardMs, resultMs: 1, betweenStepsMs: 2, vectorBytes: 1_000_000 }
    mkdirSync(directory)
    writeFileSync(
      path.join(directory, 'result.json'),
      JSON.stringify({ workers, config, timing, inputShape: [side, side, 3] }),
    )
    return directory
  }

  test('estimates how cores slow each other from runs with other numbers of workers; rejects runs of other models', () => {
    const [one, four, short, other, large] = [
      run('one', 'resnet20', 1, 50),
      run('four', 'resnet20', 4, 80),
      run('short', 'resnet20', 1, 0),
      run('other', 'resnet8', 2, 20),
      run('large', 'resnet20', 2, 200, 64),
    ] as const
    const shardMs = (cores: number): number => measuredCluster(readMeasuredRuns([one, four]), 64, cores).shardMs
    assert.deepEqual([1, 2, 4, 8].map(shardMs), [50, 60, 80, 80])
    for (const [bad, what] of [
      [other, /other: this run's shards are not those of/],
      [large, /large: this run's shards are not those of .*image size/],
      [short, /short: this run was too short/],
      [scratch, /there is no result of a finished run/],
    ] as const) {
      assert.throws(
        () => readMeasuredRuns([one, bad]),
        (error: ConvoyError) => what.test(error.message) && error.exitStatus === 2,
      )
    }
  })

  test('predicts the time of the shards for one worker without losses', async () => {
    const { stepMs, samplesPerSecond, efficiency, goodput, bottleneck } = await predictThroughput(SCENARIO)
    assert.ok(stepMs > 16 * 50 && stepMs < 16 * 50 * 1.02, `${stepMs} ms`)
    assert.ok(Math.abs(samplesPerSecond - (16 * 32 * 1000) / stepMs) < 1e-9)
    assert.ok(efficiency > 0.98 && efficiency <= 1)
    assert.equal(goodput, 1)
    assert.equal(bottleneck, 'compute')
  })

  test('predicts half the time for two workers, with the efficiency per worker', async () => {
    const { stepMs, efficiency } = await predictThroughput({ ...SCENARIO, workers: 2 })
    assert.ok(stepMs > 8 * 50 && stepMs < 8 * 50 * 1.05, `${stepMs} ms`)
    assert.ok(Math.abs(efficiency - (8 * 50) / stepMs) < 1e-9)
  })

  test('names the bottleneck of a cluster', async () => {
    const bottleneck = async (change: Partial<ClusterScenario>): Promise<string> =>
      (await predictThroughput({ ...SCENARIO, workers: 8, ...change })).bottleneck
    assert.equal(await bottleneck({ workers: 32 }), 'too few shards')
    assert.equal(await bottleneck({ link: { bandwidth: 2e8, latencyMs: 0.1 } }), 'network')
    // Weights and gradients use opposite directions: 14.5 ms of about 125.
    assert.equal(await bottleneck({ link: { bandwidth: 1.1e9, latencyMs: 0.1 } }), 'network')
    assert.equal(await bottleneck({ resultMs: 20 }), 'coordinator')
    assert.equal(await bottleneck({ cores: 2 }), 'cores')
    assert.equal(await bottleneck({ failuresPerWorkerHour: 300, steps: 300 }), 'failures')
  })

  const stepMs = async (change: Partial<ClusterScenario>): Promise<number> =>
    (await predictThroughput({ ...SCENARIO, ...change })).stepMs
  const COSTS = { sendMs: 4, receiveMs: 6, downMs: 3, upMs: 5 }
  const COSTLY = { memory: NOTHING, network: COSTS, copyMs: 0 }

  test('adds what vectors cost: for one worker all of it, for others what the thread of the coordinator does', async () => {
    const exact = { resultMs: 0, betweenStepsMs: 0, link: { bandwidth: 1e13, latencyMs: 0 }, exchange: COSTLY }
    const one = await stepMs({ ...exact, shards: 1 })
    assert.ok(Math.abs(one - (50 + 4 + 3 + 5 + 6)) < 0.1, `${one} ms`)
    const four = await stepMs({ ...exact, workers: 4, shards: 4 })
    assert.ok(four > 50 + 4 * 4 + 3 + 5 + 6 && four < 50 + 4 * (4 + 6) + 3 + 5 + 0.1, `${four} ms`)
    const local = await stepMs({ ...exact, link: undefined, workers: 4, shards: 4 })
    assert.ok(Math.abs(local - 50) < 0.1, `${local} ms in memory`)
  })

  test('sends all vectors over one link, and those of a relay once', async () => {
    const job = { workers: 32, shards: 32, vectorBytes: 1_000_000, resultMs: 0, betweenStepsMs: 0 }
    // A vector takes 10 ms.
    const link = { bandwidth: 1e8, latencyMs: 0 }
    const each = await stepMs({ ...job, link })
    assert.ok(each > 32 * 10, `${each} ms`)
    const relayed = await stepMs({ ...job, link, relays: 8 })
    assert.ok(relayed > 4 * 10 + 50 && relayed < each, `${relayed} ms`)
    await assert.rejects(
      stepMs({ ...job, relays: 8, link: undefined }),
      /Relays are for machines behind a network link/,
    )
  })

  test('never promises more for less: bandwidth, costs, latency', async () => {
    const job = { workers: 16, exchange: COSTLY }
    const link = (gigabits: number, latencyMs = 0.1): ClusterScenario['link'] => ({
      bandwidth: 1.25e8 * gigabits,
      latencyMs,
    })
    const inOrder = async (...changes: readonly Partial<ClusterScenario>[]): Promise<void> => {
      const times: number[] = []
      for (const change of changes) times.push(await stepMs({ ...job, ...change }))
      assert.deepEqual(
        times,
        [...times].sort((a, b) => a - b),
      )
    }
    await inOrder({ link: link(100) }, { link: link(10) }, { link: link(1) }, { link: link(0.1) })
    await inOrder({ link: link(10) }, { link: link(10, 10) }, { link: link(10, 100) })
    await inOrder({ exchange: FREE }, {}, { resultMs: 10 }, { resultMs: 20 })
  })

  test('computes with relays of unequal size and with failures', async () => {
    const scenario = { ...SCENARIO, workers: 10, relays: 4, shards: 20, failuresPerWorkerHour: 200, steps: 100 }
    const one = await predictThroughput(scenario)
    assert.ok(one.goodput < 1 && one.goodput > 0.3, `${one.goodput}`)
    assert.deepEqual(await predictThroughput(scenario), one)
  })

  test('reduces goodput by failures, drawn from the seed', async () => {
    const scenario = { ...SCENARIO, workers: 4, failuresPerWorkerHour: 200, steps: 300 }
    const one = await predictThroughput(scenario)
    assert.ok(one.goodput < 0.95, `${one.goodput}`)
    assert.deepEqual(await predictThroughput(scenario), one)
    assert.notDeepEqual(await predictThroughput({ ...scenario, seed: 2 }), one)
  })
})
