import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { EngineResult } from '../../src/bench/engine-benchmark.js'
import { median, ratioTo } from '../../src/bench/engine-benchmark.js'
import { engineReport } from '../../src/bench/engine-report.js'
import { withRatio } from '../../src/bench/prediction-benchmark.js'
import type { ReportingResult } from '../../src/bench/reporting-benchmark.js'
import { killLaunches, Launch } from '../support/launch.js'

after(killLaunches)

/** Made-up numbers that only have to differ. */
function result(maker: EngineResult['maker'], name: string, rounds: number[]): EngineResult {
  return { maker, name, parameters: 77_850, rounds, imagesPerSecond: median(rounds) }
}

describe('a comparison', () => {
  const results = [
    result('Convoy', 'Convoy, 1 worker', [500, 600, 550]),
    result('Convoy', 'Convoy, 2 workers', [1000, 1200, 900]),
    result('PyTorch', 'PyTorch, slow', [100, 100, 100]),
    result('PyTorch', 'PyTorch, fast', [500, 1000, 900]),
  ]

  it('compares medians, and ratios within a round', () => {
    assert.equal(median([3, 1, 2]), 2)
    assert.equal(median([4, 1, 2, 3]), 2.5)
    assert.equal(ratioTo('PyTorch', results), 1.2)
    assert.equal(ratioTo('TensorFlow', results), undefined)
    assert.equal(withRatio({ workers: 1, measured: [100, 200, 50], predicted: [110, 160, 60] }).ratio, 1.1)
  })

  it('is printed as a table that names the fastest', () => {
    const report = engineReport([{ task: { network: 'resnet8', precision: 'float32', augmentation: true }, results }])
    assert.match(report, /### resnet8, float32, augmented \(77,850 parameters, batch 128\)/)
    assert.match(report, /\| Convoy, 2 workers \| \*\*1000\*\* \| 900 to 1200 \|/)
    assert.match(report, /fastest PyTorch, round by round: 1\.20 times/)
    assert.match(report, /Two workers reach 91 % of twice one worker's rate/)
  })
})

describe('convoy bench', () => {
  it('measures the coordinator and its workers, and stops them', async () => {
    const flags = ['--network', 'resnet8', '--precision', 'float32', '--peers', 'none', '--rounds', '2', '--steps', '2']
    const launch = new Launch(['bench', 'engine', ...flags, '--workers', '1,2', '--json'])
    const { conditions, tasks } = (await launch.result()) as {
      conditions: string
      tasks: { results: EngineResult[] }[]
    }
    assert.match(conditions, /\d+ cores of .*Node \d+.*TensorFlow 2\./)
    const [{ results }] = tasks as [{ results: EngineResult[] }]
    assert.deepEqual(
      results.map(({ name }) => name),
      ['Convoy, 1 worker', 'Convoy, 2 workers'],
    )
    for (const { rounds, parameters } of results) {
      assert.equal(parameters, results[0]!.parameters)
      assert.ok(rounds.length === 2 && rounds.every((rate) => rate > 0 && Number.isFinite(rate)))
    }
  })

  it('profiles the ops of a step', async () => {
    const launch = new Launch(['bench', 'engine', '--network', 'resnet8', '--profile', '--json'])
    const { ops } = (await launch.result()) as { ops: { op: string; calls: number; milliseconds: number }[] }
    const convolution = ops.find(({ op }) => op === 'Conv2D')!
    // One convolution in the stem and two in each of three blocks.
    assert.equal(convolution.calls, 7)
    assert.ok(ops.every(({ milliseconds }, index) => index === 0 || milliseconds <= ops[index - 1]!.milliseconds))
  })

  it('measures the cost of reports', async () => {
    const launch = new Launch(['bench', 'reporting', '--workers', '1', '--rounds', '1', '--steps', '3', '--json'])
    const { off, on, ratio, epochHookMs } = (await launch.result()) as unknown as ReportingResult
    assert.deepEqual([off.length, on.length], [1, 1])
    assert.equal(ratio, on[0]! / off[0]!)
    assert.ok(epochHookMs > 0)
  })

  it('names the allowed values of a list', async () => {
    const launch = new Launch(['bench', 'engine', '--network', 'resnet8,vgg'])
    assert.equal(await launch.status(), 2)
    assert.match(launch.stderr, /'--network <names>'.* It takes resnet8, resnet20/)
  })
})
