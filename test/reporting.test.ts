import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { PassThrough } from 'node:stream'
import { after, describe, it } from 'node:test'
import { spawnSync } from 'node:child_process'
import { checkRunTransition } from '../src/coordinator/core/run-states.js'
import { finalTable } from '../src/coordinator/reporting/final-table.js'
import { MetricsFile } from '../src/coordinator/reporting/metrics-file.js'
import { serveMetrics } from '../src/coordinator/reporting/metrics-server.js'
import { PrometheusMetrics } from '../src/coordinator/reporting/prometheus-metrics.js'
import { createRunDirectory, writeResult } from '../src/coordinator/reporting/run-directory.js'
import { createProgressDisplay } from '../src/coordinator/reporting/terminal-progress.js'
import { RunProgress } from '../src/coordinator/run-progress.js'
import type { EvaluationResult, RunEvent, RunResult } from '../src/coordinator/run-events.js'
import { RECIPES } from '../src/model/recipes.js'
import { runConfigSchema } from '../src/model/run-config.js'
import type { ConvoyError } from '../src/shared/errors.js'

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-reporting-'))
after(() => {
  rmSync(scratch, { recursive: true, force: true })
})

const config = runConfigSchema.parse(RECIPES['quick']!.config)
const evaluation = (split: 'validation' | 'test'): EvaluationResult => ({
  split,
  step: 2,
  samples: 4,
  loss: 1.25,
  accuracy: 0.75,
  confusion: [
    [2, 0],
    [1, 1],
  ],
  durationMs: 10,
})
const result: RunResult = {
  weightsSha256: 'ab'.repeat(32),
  steps: 2,
  samplesSeen: 256,
  samplesPerSecond: 1234.5,
  workers: 2,
  seconds: 61,
  validation: evaluation('validation'),
  test: evaluation('test'),
  bestStep: 2,
  dataset: 'x',
  datasetFingerprint: '0',
  classNames: ['cat', 'dog'],
  config,
  reissued: 0,
  timing: { shardMs: 50, betweenStepsMs: 1, vectorBytes: 100 },
}
const device = { kind: 'cpu', name: 'a CPU', tensorflowVersion: '2', fingerprint: 'f' } as const
const worker = { id: 1, name: 'host:1', device }
const EVENTS: RunEvent[] = [
  {
    kind: 'started',
    config,
    dataset: { name: 'x', fingerprint: '0', count: 8, height: 8, width: 8, channels: 3, classNames: ['cat', 'dog'] },
    splitSizes: { train: 256, validation: 4, test: 4 },
    totalSteps: 2,
    stepsPerEpoch: 2,
    parameterCount: 75_290,
  },
  { kind: 'waiting' },
  { kind: 'worker-joined', worker, workers: 1 },
  {
    kind: 'step',
    step: 1,
    epoch: 0.5,
    loss: 2,
    accuracy: 0.25,
    learningRate: 0.1,
    gradientNorm: 3,
    durationMs: 200,
    workers: 1,
  },
  { kind: 'reissued', workerId: 1, shards: 4, reason: 'connection lost' },
  { kind: 'refused', worker, reason: 'stale' },
  { kind: 'worker-left', worker, reason: 'connection lost', workers: 0 },
  {
    kind: 'step',
    step: 2,
    epoch: 1,
    loss: 1.5,
    accuracy: 0.5,
    learningRate: 0.1,
    gradientNorm: 3,
    durationMs: 100,
    workers: 1,
  },
  { kind: 'evaluating', split: 'validation', done: 1, total: 2 },
  { kind: 'evaluated', result: evaluation('validation'), epoch: 1, best: true },
  { kind: 'finished', result },
]

describe('run directory', () => {
  it('fault 14: is unique, even for two coordinators that begin in one second', () => {
    const [first, second] = [1, 2].map(() => createRunDirectory(scratch, 'quick', 1_700_000_000_000))
    assert.match(first!, /20231114T221320Z_quick$/)
    assert.match(second!, /20231114T221320Z_quick-2$/)
  })

  it('that cannot be written names the flag', () => {
    const file = path.join(scratch, 'a-file')
    writeFileSync(file, '')
    assert.throws(
      () => createRunDirectory(file, 'x', 0),
      (error: ConvoyError) => /--runs-dir/.test(error.message) && error.exitStatus === 2,
    )
  })

  it('receives the result with the fields that are promised', async () => {
    await writeResult(scratch, result)
    const read = JSON.parse(readFileSync(path.join(scratch, 'result.json'), 'utf8')) as RunResult
    assert.deepEqual(read, result)
    assert.deepEqual(
      [read.validation.accuracy, read.test.accuracy, read.test.loss, read.weightsSha256.length],
      [0.75, 0.75, 1.25, 64],
    )
  })

  it('receives every event but partial progress in metrics.jsonl', async () => {
    const file = new MetricsFile(scratch)
    for (const event of EVENTS) file.observe(event)
    await file.close()
    const lines = readFileSync(path.join(scratch, 'metrics.jsonl'), 'utf8').trim().split('\n')
    const kinds = lines.map((line) => (JSON.parse(line) as { kind: string }).kind)
    assert.deepEqual(
      kinds,
      EVENTS.map(({ kind }) => kind).filter((kind) => kind !== 'evaluating'),
    )
  })
})

describe('progress', () => {
  it('on a pipe is plain lines: steps now and then, every evaluation and every worker', () => {
    const stream = new PassThrough()
    let now = 0
    const display = createProgressDisplay(stream as unknown as NodeJS.WriteStream, () => now)
    for (const event of EVENTS) {
      display.observe(event)
      now += 1000
    }
    display.close()
    const text = (stream.read() as Buffer).toString()
    assert.ok(!text.includes('\u001b'))
    assert.equal(text.match(/^step /gm)?.length, 1, text)
    for (const part of [
      /75,290 parameters/,
      /waits for one/,
      /Worker 1 .* joined/,
      /left: connection lost/,
      /accuracy 75\.0 %.*best so far/,
    ]) {
      assert.match(text, part)
    }
  })

  it('ends in a table with accuracy by class and the confusion matrix', () => {
    const table = finalTable(result, 'runs/x')
    assert.match(table, /cat\s+│ 100\.0 %\s+│ 2\s+│ 0/)
    assert.match(table, /dog\s+│ 50\.0 %\s+│ 1\s+│ 1/)
    assert.match(table, /1 min 01 s/)
    assert.ok(!table.includes('\u001b'))
  })
})

describe('Prometheus', () => {
  const metrics = new PrometheusMetrics()
  for (const event of EVENTS) metrics.observe(event)

  it('serves what the events said', async () => {
    const server = await serveMetrics(metrics.registry, '127.0.0.1:0', '--metrics-listen')
    const text = await (await fetch(server.url)).text()
    for (const line of [
      'convoy_step 2',
      'convoy_samples_total 256',
      'convoy_shards_reissued_total 4',
      'convoy_results_refused_total 1',
      'convoy_workers 0',
      'convoy_evaluation_accuracy_ratio{split="validation"} 0.75',
      'convoy_step_duration_seconds_count 2',
    ]) {
      assert.ok(text.includes(`${line}\n`), line)
    }
    assert.equal((await fetch(server.url.replace('metrics', 'livez'))).status, 200)
    assert.equal((await fetch(server.url.replace('metrics', 'other'))).status, 404)
    assert.equal((await fetch(server.url, { method: 'POST' })).status, 405)
    await assert.rejects(
      serveMetrics(metrics.registry, new URL(server.url).host, '--metrics-listen'),
      (error: ConvoyError) => /in use.*--metrics-listen/.test(error.message),
    )
    server.close()
  })

  it('names follow the conventions: prefix, _total on counters and only there', async () => {
    for (const { name, type } of await metrics.registry.getMetricsAsJSON()) {
      assert.match(name, /^convoy_[a-z0-9_]+$/)
      if (!/^convoy_(nodejs|process)_/.test(name))
        assert.equal(name.endsWith('_total'), String(type) === 'counter', name)
    }
  })

  const promtool = spawnSync('promtool', ['--version']).status === 0
  it('pass promtool check metrics', { skip: promtool ? false : 'promtool is not installed' }, async () => {
    const { status, stderr, stdout } = spawnSync('promtool', ['check', 'metrics'], {
      input: await metrics.registry.metrics(),
      encoding: 'utf8',
    })
    // prom-client's own process metrics are not ours to name.
    const ours = `${stdout}${stderr}`
      .split('\n')
      .filter((line) => line !== '' && !/convoy_(nodejs|process)_/.test(line))
    assert.deepEqual(ours, [], String(status))
  })
})

describe('the state of a run', () => {
  const joined: RunEvent = { kind: 'worker-joined', worker, workers: 1 }
  const step = EVENTS.find((event) => event.kind === 'step')!

  it('says what it does now, also after it had to wait', () => {
    const progress = new RunProgress()
    const states = [
      ...[joined, step, { kind: 'waiting' }, joined, { kind: 'evaluating', split: 'test', done: 0, total: 4 }],
      ...[{ kind: 'waiting' }, joined, { kind: 'finished', result }, joined],
    ].map((event) => {
      progress.observe(event as RunEvent)
      return progress.summary.state
    })
    assert.deepEqual(states, [
      ...['training', 'training', 'waiting', 'training', 'evaluating'],
      ...['waiting', 'evaluating', 'finished', 'finished'],
    ])
    progress.failed()
    assert.equal(progress.summary.state, 'finished')
  })

  it('changes only as its diagram says', () => {
    assert.throws(() => {
      checkRunTransition('training', 'finished')
    }, /a run cannot become finished: it is training/)
    const failed = new RunProgress()
    failed.failed()
    failed.observe(joined)
    assert.equal(failed.summary.state, 'failed')
  })
})
