import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { EngineResult } from '../../src/bench/engine-benchmark.js'
import { median, ratioTo } from '../../src/bench/engine-benchmark.js'
import { engineReport } from '../../src/bench/engine-report.js'
import { ConvoyRun } from '../../src/bench/faults/convoy-run.js'
import { benchmarkFaults } from '../../src/bench/faults/fault-benchmark.js'
import { faultReport } from '../../src/bench/faults/fault-report.js'
import type { KillableContestant, KillableTask, RunRecord } from '../../src/bench/faults/killable-run.js'
import { withRatio } from '../../src/bench/prediction-benchmark.js'
import type { ReportingResult } from '../../src/bench/reporting-benchmark.js'
import { killLaunches, Launch } from '../support/launch.js'
import { tinyDataset } from '../support/tiny-dataset.js'

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

describe('a run whose processes the benchmark kills', () => {
  const tiny = tinyDataset()
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-killed-'))
  const task: KillableTask = { network: 'resnet8', data: tiny.directory, workers: 1, steps: 80 }
  before(() => {
    process.env['CONVOY_CACHE'] = tiny.environment['CONVOY_CACHE']
  })
  after(() => {
    delete process.env['CONVOY_CACHE']
    tiny.remove()
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 })
  })

  async function during(data: string, follow: (run: ConvoyRun) => Promise<void>): Promise<void> {
    const run = new ConvoyRun({ ...task, data }, mkdtempSync(path.join(scratch, 'run-')))
    try {
      await follow(run)
    } finally {
      await run.close()
    }
  }

  it('goes on, and counts no step twice', async () => {
    await during(tiny.directory, async (run) => {
      await run.firstStep
      assert.equal(run.killWorker(), true)
      assert.equal(run.killCoordinator(), true)
      assert.equal(run.killCoordinator(), false, 'it is dead already')
      await run.ended
      const record = run.record()
      assert.deepEqual([record.stepsTwice, record.samplesOff], [0, 0])
      assert.match(record.weightsSha256, /^[0-9a-f]{64}$/)
      assert.equal(record.restartSeconds.length, 1)
      assert.ok(record.restartSeconds[0]! > 0 && record.restartSeconds[0]! < record.seconds)
      assert.ok(record.startSeconds > 0 && record.validationSeconds > 0)
    })
  })

  it('fails with the message of its coordinator', async () => {
    await during(path.join(scratch, 'missing'), async (run) => {
      await assert.rejects(run.firstStep, /convoy coordinator ended with 2: .*there is no such file/)
    })
  })
})

describe('a comparison of failures', () => {
  /** Ends after so many seconds, each time; made-up numbers that only have to differ. */
  function contestant(name: string, records: RunRecord[], endMs = 300): KillableContestant {
    return {
      name,
      hasCoordinatingWorker: false,
      start: async () => ({
        firstStep: Promise.resolve(),
        ended: delay(endMs),
        killWorker: () => true,
        killCoordinator: () => true,
        lastWords: () => 'no quorum',
        record: () => records.shift()!,
        close: async () => undefined,
      }),
    }
  }

  it('takes the starts of killed workers off, and names who failed', async () => {
    const without: RunRecord = {
      ...{
        seconds: 110,
        validationSeconds: 10,
        startSeconds: os.availableParallelism() * 4,
        stepsTwice: 0,
        samplesOff: 0,
      },
      ...{ weightsSha256: 'same', restartSeconds: [], endedMs: Infinity },
    }
    const disturbed = { ...without, seconds: 130, validationSeconds: 25, stepsTwice: 3, restartSeconds: [2] }
    const [taken, failed] = await benchmarkFaults({
      task: { network: 'resnet8', data: undefined, workers: 1, steps: 1 },
      contestants: [contestant('Convoy', [without, disturbed]), contestant('torchft', [{ ...without, seconds: 0.01 }])],
      ...{ intervals: { workerSeconds: 0.2, coordinatorSeconds: 86_400 }, rounds: 1, log: () => undefined },
    })
    assert.ok('rounds' in taken! && 'failure' in failed!)
    assert.deepEqual([taken.workersKilled, taken.coordinatorsKilled], [1, 0])
    assert.deepEqual([taken.undisturbedSeconds, taken.disturbedSeconds, taken.ratio], [100, 120, 1.2])
    assert.equal(taken.ratioBeyondStarts, 1.16)
    const report = faultReport([taken, failed])
    assert.match(report, /\| Convoy \| 100\.0 \| 120\.0 \| 1\.20 \| 1\.16 \| 1 \+ 0 \| 3 \| 0 \| yes \|/)
    assert.match(report, /first new step 2\.0 s/)
    assert.match(report, /torchft has no figures: not at step 1 after 0 s\. no quorum/)
  })
})
