import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { ExchangeResult } from '../../src/bench/exchange/exchange-benchmark.js'
import { exchangeReport } from '../../src/bench/exchange/exchange-report.js'
import { medianTimeline, SECTIONS, sectionsOf } from '../../src/bench/exchange/timeline.js'
import { killLaunches, Launch } from '../support/launch.js'

after(killLaunches)

describe('convoy bench exchange', () => {
  it('measures every path, and trains the same weights over each', async () => {
    const sizes = ['--megabytes', '0.1', '--workers', '1,2', '--compute', '1ms', '--optimizer', 'adamw']
    const turns = ['--rounds', '1', '--steps', '3', '--peers', 'none', '--wire', 'float32,bfloat16']
    const launch = new Launch(['bench', 'exchange', ...sizes, ...turns, '--json'])
    const { conditions, optimizer, computeMs, sizes: results } = await launch.result()
    assert.match(String(conditions), /\d+ cores of .*Node \d+/)
    assert.deepEqual([optimizer, computeMs], ['adamw', 1])
    const [{ weights, rows, baselines }] = results as [ExchangeResult]
    assert.equal(weights, 25_000)
    assert.deepEqual(
      baselines.map(({ name, perSecond }) => [name, perSecond.length]),
      [
        ['a copy in memory', 1],
        ['one way over TCP', 1],
      ],
    )
    assert.deepEqual(
      rows.map(({ workers, path, wire }) => [workers, path, wire]),
      [1, 2].flatMap((workers) =>
        ['memory', 'network'].flatMap((path) => ['float32', 'bfloat16'].map((wire) => [workers, path, wire])),
      ),
    )
    assert.notEqual(rows[0]!.weightsSha256, rows[1]!.weightsSha256)
    for (const { workers, wire, stepsPerSecond, allTookPart, timeline, busy, ratios, weightsSha256 } of rows) {
      assert.ok(stepsPerSecond.length === 1 && stepsPerSecond[0]! > 0)
      assert.ok(workers > 1 || allTookPart === 1)
      assert.deepEqual(Object.keys(timeline!), [...SECTIONS, 'step'])
      assert.ok(Object.values(timeline!).every((ms) => ms >= 0 && ms <= timeline!.step))
      assert.equal(busy !== undefined, workers === 1)
      assert.ok(!busy || (busy.sendMs > 0 && busy.sendMs < timeline!.step && busy.receiveMs < timeline!.step))
      assert.ok(timeline!.compute >= 1, `the wait of a shard is missing: ${timeline!.compute}`)
      assert.ok(ratios.tcp! > 0 && ratios.copy! > 0 && ratios.gloo === undefined)
      assert.equal(weightsSha256, rows.find((row) => row.wire === wire)!.weightsSha256)
    }
  })

  it('measures links with a delay, and workers behind relays', async () => {
    const places = ['--megabytes', '0.1', '--workers', '3', '--path', 'network', '--delay', '0,20ms', '--relays', '2']
    const turns = ['--rounds', '1', '--steps', '3', '--peers', 'none']
    const launch = new Launch(['bench', 'exchange', ...places, '--bandwidth', '1000', ...turns, '--json'])
    const { sizes: results } = await launch.result()
    const [{ rows, baselines }] = results as [ExchangeResult]
    assert.deepEqual(
      rows.map(({ delayMs, relays }) => [delayMs, relays]),
      [
        [0, 0],
        [0, 2],
        [20, 0],
        [20, 2],
      ],
    )
    assert.deepEqual(
      baselines.map(({ name }) => name),
      ['a copy in memory', 'one way over TCP', 'one way over TCP and back, link of 20 ms'],
    )
    assert.ok(baselines[2]!.perSecond[0]! < 50, 'a round trip takes 20 ms')
    for (const { delayMs, relays, stepsPerSecond, uploadMs, timeline, ratios, memory, weightsSha256 } of rows) {
      assert.ok(stepsPerSecond[0]! > 0 && ratios.tcp! > 0)
      if (delayMs > 0) assert.ok(stepsPerSecond[0]! < 50, 'a lease and its result take a round trip')
      assert.equal(timeline === undefined, relays > 0)
      if (relays === 0) assert.ok(uploadMs! >= delayMs / 2)
      assert.ok(memory.emptyBytes > 0 && memory.peakBytes >= memory.lastBytes)
      assert.equal(weightsSha256, rows[0]!.weightsSha256)
    }
  })

  it('names the worker counts and the delays that it takes', async () => {
    for (const [flag, value, limits] of [
      ['--workers', '65', /whole numbers from 1 to 64/],
      ['--workers', '1,', /whole numbers from 1 to 64/],
      ['--delay', '2ms,x', /milliseconds, from 0 to 1000/],
    ] as const) {
      const launch = new Launch(['bench', 'exchange', flag, value])
      assert.equal(await launch.status(), 2)
      assert.match(launch.stderr, limits)
    }
  })

  it('rejects links and relays that would have no effect', async () => {
    for (const [flags, problem] of [
      [['--bandwidth', '100'], /--bandwidth: .*give --delay too/],
      [['--delay', '2ms', '--path', 'memory'], /--delay: .*add network to --path/],
      [['--relays', '4', '--workers', '1,3'], /--relays: .*give --workers 4 or more/],
    ] as const) {
      const launch = new Launch(['bench', 'exchange', ...flags])
      assert.equal(await launch.status(), 2)
      assert.match(launch.stderr, problem)
    }
  })

  it('names the sizes that it takes', async () => {
    const launch = new Launch(['bench', 'exchange', '--megabytes', '1.1,0'])
    assert.equal(await launch.status(), 2)
    assert.match(launch.stderr, /'--megabytes <numbers>'.* It takes millions of bytes, from 0\.001 to 1000/)
  })
})

describe('the timeline of a step', () => {
  const worker = { step: 4, leasedMs: 101, startedMs: 103, computeMs: 10, deliveredMs: 117 }
  const ofCoordinator = { step: 4, beganMs: 100, thereMs: 122, readMs: 128, reducedMs: 135 }
  const timeline = sectionsOf({ ...ofCoordinator, appliedMs: 143, publishedMs: 152 }, worker)

  it('divides the whole step', () => {
    const parts = { lease: 1, weights: 2, compute: 10, sum: 4, result: 5, read: 6, reduce: 7, apply: 8, publish: 9 }
    assert.deepEqual(timeline, { ...parts, step: 52 })
    assert.equal(medianTimeline([]), undefined)
  })

  it('is printed beside the rates', () => {
    const place = { workers: 2, path: 'memory', wire: 'float32', delayMs: 0, relays: 0 } as const
    const memory = { emptyBytes: 90e6, peakBytes: 120e6, lastBytes: 100e6 }
    const row = { ...place, stepsPerSecond: [20, 18], allTookPart: 0.5, timeline, uploadMs: 11, memory } as const
    const baselines = [{ name: 'a copy in memory', perSecond: [1000, 500] }]
    const rows = [{ ...row, ratios: { copy: 40 }, weightsSha256: '' }]
    const report = exchangeReport([{ megabytes: 1.1, weights: 275_000, rows, baselines }])
    assert.match(report, /### 1\.1 MB \(275,000 weights\)/)
    assert.match(
      report,
      /\| 2 \| memory \| float32 \| 19\.0 \(18\.0 to 20\.0\) \| 52\.63 \| 11\.00 \| 50\.0 % \| 40\.00 \| 30 \| 10 \|/,
    )
    assert.match(report, /\| 2 \| memory \| float32 \| 1\.00 \| 2\.00 \| 10\.00 \| 4\.00 \| .* \| 9\.00 \| 52\.00 \|/)
    assert.match(report, /The same bytes: a copy in memory 1\.50 \(1\.00 to 2\.00\) ms\./)
  })
})
