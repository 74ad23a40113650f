import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Member } from '../../../src/coordinator/member.js'
import { readHeartbeat } from '../../../src/coordinator/read-heartbeat.js'
import { RunProgress } from '../../../src/reporting/run-progress.js'
import type { RunIdentity } from '../../../src/reporting/run-identity.js'
import type { MetricsSource } from '../../../src/reporting/sinks/prometheus-metrics.js'
import { PrometheusMetrics } from '../../../src/reporting/sinks/prometheus-metrics.js'
import { PHASE_BUCKETS, phaseMean, phasesSince, PhaseTimes } from '../../../src/metrics/phases.js'
import type { WorkerStats } from '../../../src/metrics/worker-stats.js'
import { serveMetrics } from '../../../src/metrics/serve-metrics.js'
import { generatedFiles } from '../../../generators/generated-files.js'
import type { ConvoyError } from '../../../src/shared/errors.js'
import { packageRoot } from '../../../src/shared/package-root.js'
import type { Heartbeat } from '../../../src/shared/protocol/messages.js'
import { parseGpu } from '../../../src/worker/gpu-readings.js'
import { WorkerMetrics } from '../../../src/worker/worker-metrics.js'
import { HeartbeatStats } from '../../../src/worker/heartbeat-stats.js'
import { until } from '../../support/until.js'
import { EVENTS, worker } from '../../support/example-run.js'

const counts = new Array<number>(PHASE_BUCKETS.length + 1).fill(1)
const HEARTBEAT: WorkerStats = {
  shardsDone: 3,
  residentBytes: 1e8,
  tensors: 40,
  tensorBytes: 1e6,
  eventLoopDelaySeconds: 0.01,
  phases: [{ phase: 'wait', counts, seconds: 2 }],
}

const NO_WORKERS: MetricsSource = {
  ...{
    progress: () => new RunProgress().summary,
    workerCount: 0,
    workers: () => [],
    workerPhases: () => [],
    traffic: () => [],
  },
}

const IDENTITY: RunIdentity = { run: '20261128T163434Z_x', name: 'x', recipe: 'quick', version: '1.2.3' }

/** A line of the text format, with the labels of every series. */
function line(series: string): string {
  const [, name, own, value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(series)!
  return `${name}{${own === undefined ? '' : `${own},`}component="coordinator",run="${IDENTITY.run}"} ${value}\n`
}

const NOTHING = { text: '', contentType: 'text/plain' }

describe('metrics', () => {
  it('are served as observed, and other paths and methods are rejected', async () => {
    const metrics = new PrometheusMetrics(() => performance.now(), IDENTITY)
    for (const event of EVENTS) metrics.observe(event)
    let reason: string | undefined = 'the run is over: failed'
    const server = await serveMetrics(metrics.render, '127.0.0.1:0', '--metrics-listen', () => reason)
    const text = await (await fetch(server.url)).text()
    for (const series of [
      'convoy_step 2',
      'convoy_samples_total 256',
      'convoy_shards_reissued_total{reason="lost"} 4',
      'convoy_results_refused_total{reason="stale"} 1',
      'convoy_worker_departures_total{cause="lost"} 1',
      'convoy_evaluation_accuracy_ratio{split="validation"} 0.75',
      'convoy_step_duration_seconds_count 2',
    ]) {
      assert.ok(text.includes(line(series)), series)
    }
    assert.equal((await fetch(server.url.replace('metrics', 'livez'))).status, 200)
    const readiness = async (): Promise<[number, string]> => {
      const response = await fetch(server.url.replace('metrics', 'readyz'))
      return [response.status, await response.text()]
    }
    assert.deepEqual(await readiness(), [503, 'the run is over: failed\n'])
    reason = undefined
    assert.deepEqual(await readiness(), [200, 'ok\n'])
    assert.equal((await fetch(server.url.replace('metrics', 'other'))).status, 404)
    assert.equal((await fetch(server.url, { method: 'POST' })).status, 405)
    await assert.rejects(
      serveMetrics(metrics.render, new URL(server.url).host, '--metrics-listen', () => undefined),
      (error: ConvoyError) => /in use.*--metrics-listen/.test(error.message),
    )
    server.close()
  })

  it('stay available after malformed requests', async () => {
    const metrics = new PrometheusMetrics(() => performance.now(), IDENTITY)
    const server = await serveMetrics(metrics.render, '127.0.0.1:0', '--metrics-listen', () => undefined)
    const { hostname, port } = new URL(server.url)
    for (const target of ['//', 'http://[', '*', '/%00', `/${'x'.repeat(10_000)}`]) {
      const socket = connect(Number(port), hostname)
      socket.end(`GET ${target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`)
      assert.match(await readAll(socket), /^HTTP\/1\.1 40[04] /, target)
    }
    assert.equal((await fetch(server.url)).status, 200)
    server.close()
  })

  it('start at 0, because an alert never fires on an absent series', async () => {
    const metrics = new PrometheusMetrics(() => 0, IDENTITY)
    metrics.watch(NO_WORKERS)
    metrics.observe(EVENTS[0]!)
    const { text } = await metrics.render()
    for (const series of ['convoy_step 0', 'convoy_epoch 0', 'convoy_workers 0', 'convoy_samples_total 0'])
      assert.ok(text.includes(line(series)), series)
  })

  it('keep being served until a regular scraper has seen the final state, but not for others', async () => {
    let nowMs = 0
    const [isReady, noPage, now] = [() => undefined, () => false, () => nowMs]
    const open = async () => serveMetrics(async () => NOTHING, '127.0.0.1:0', '--metrics-listen', isReady, noPage, now)
    const settles = async (promise: Promise<void>): Promise<boolean> =>
      Promise.race([promise.then(() => true), delay(0, false)])
    const scrape = async (url: string) => (await fetch(url)).text()

    const never = new AbortController().signal
    const waits: number[] = []
    const onWait = (seconds: number) => waits.push(seconds)

    const unseen = await open()
    assert.ok(await settles(unseen.lastScrape(never, onWait)), 'no scraper')
    await Promise.all([scrape(unseen.url), scrape(unseen.url), scrape(unseen.url)])
    assert.ok(await settles(unseen.lastScrape(never, onWait)), 'concurrent scrapes, once')
    unseen.close()

    const seen = await open()
    await scrape(seen.url)
    nowMs += 5_000
    await scrape(seen.url)
    // Another scraper at the same moment.
    await scrape(seen.url)
    const last = seen.lastScrape(never, onWait)
    assert.equal(await settles(last), false)
    await scrape(seen.url)
    await last
    assert.ok(await settles(seen.lastScrape(AbortSignal.abort(), onWait)), 'the wait is cancelled')
    nowMs += 10_000
    assert.ok(await settles(seen.lastScrape(never, onWait)), 'the scraper missed an interval')
    seen.close()
    assert.deepEqual(waits, [10])
  })

  it('count saved models and failed saves', async () => {
    const metrics = new PrometheusMetrics(() => 0, IDENTITY)
    metrics.watch(NO_WORKERS)
    metrics.saved(1.7e9, 300_000, 0.05)
    metrics.saveFailed()
    const { text } = await metrics.render()
    for (const series of [
      'convoy_saved_model_timestamp_seconds 1700000000',
      'convoy_saved_model_bytes 300000',
      'convoy_model_save_failures_total 1',
      'convoy_phase_duration_seconds_bucket{role="coordinator",phase="checkpoint",le="0.03"} 0',
      'convoy_phase_duration_seconds_bucket{role="coordinator",phase="checkpoint",le="0.1"} 1',
      'convoy_phase_duration_seconds_sum{role="coordinator",phase="checkpoint"} 0.05',
    ])
      assert.ok(text.includes(line(series)), series)
  })

  it('show the newest checkpoint and the step journal, and count what cannot be written', async () => {
    let nowMs = 0
    const metrics = new PrometheusMetrics(() => nowMs, IDENTITY)
    metrics.watch(NO_WORKERS)
    const rendered = async (): Promise<string> => {
      nowMs += 1_000
      return (await metrics.render()).text
    }
    const before = await rendered()
    assert.doesNotMatch(before, /^convoy_(checkpoint_(step|timestamp|interval|bytes|duration)|journal_bytes)/m)
    for (const name of ['checkpoint_failures', 'journal_failures'])
      assert.ok(before.includes(line(`convoy_${name}_total 0`)), name)

    // A checkpoint of an earlier coordinator: this process wrote none.
    metrics.checkpointsEvery(300)
    metrics.checkpointed(100, 1.6e9)
    const resumed = await rendered()
    assert.ok(resumed.includes(line('convoy_checkpoint_step 100')))
    assert.doesNotMatch(resumed, /^convoy_checkpoint_(bytes|duration)/m)

    metrics.checkpointed(120, 1.7e9)
    metrics.checkpointWritten(300_000, 0.25)
    metrics.checkpointFailed()
    metrics.journaled(40_000)
    for (let failure = 0; failure < 2; failure++) metrics.journalFailed()
    const step = EVENTS.find((event) => event.kind === 'step')!
    metrics.observe({ ...step, phaseSeconds: { ...step.phaseSeconds, journal: 0.25 } })
    const text = await rendered()
    for (const series of [
      'convoy_checkpoint_step 120',
      'convoy_checkpoint_timestamp_seconds 1700000000',
      'convoy_checkpoint_interval_seconds 300',
      'convoy_checkpoint_bytes 300000',
      'convoy_checkpoint_duration_seconds 0.25',
      'convoy_checkpoint_failures_total 1',
      'convoy_journal_bytes 40000',
      'convoy_journal_failures_total 2',
      'convoy_phase_duration_seconds_sum{role="coordinator",phase="journal"} 0.25',
    ])
      assert.ok(text.includes(line(series)), series)
  })

  it('have the unit and the labels of their names', async () => {
    const metrics = new PrometheusMetrics(() => 0, IDENTITY)
    const member = new Member(worker.id, { ...worker, incarnation: 'i', host: 'h' })
    member.stats = readHeartbeat(HEARTBEAT)
    const { counts } = member
    Object.assign(counts, { samples: 64, resultsRefused: 2 })
    Object.assign(counts.shardsReissued, { failed: 3, bad_result: 4 })
    Object.assign(counts.trafficBytes, { results: 10, weights: 20, samples: 30 })
    const lease = { id: 1, task: 1, worker: worker.id, firstShard: 0, shardCount: 1 }
    const ofScheduler = { id: worker.id, name: worker.name, lease, shardMs: 3, stragglerRatio: 2.5 }
    const snapshot = member.snapshot({ ...ofScheduler, state: 'busy', silentMs: 1_500 })
    metrics.watch({ ...NO_WORKERS, workers: () => [snapshot] })
    for (const event of EVENTS) metrics.observe(event)
    for (const code of ['not_finite', 'absurd', 'malformed'] as const)
      metrics.observe({ kind: 'refused', worker, code, reason: 'in layer x' })
    const { text } = await metrics.render()
    const of = `worker="${worker.name}"`
    for (const series of [
      'convoy_step_duration_seconds_sum 0.30000000000000004',
      'convoy_evaluation_loss{split="validation"} 1.25',
      'convoy_evaluation_duration_seconds{split="validation"} 0.01',
      'convoy_phase_duration_seconds_sum{role="coordinator",phase="reduce"} 0.012',
      'convoy_phase_duration_seconds_sum{role="coordinator",phase="apply"} 0.024',
      'convoy_phase_duration_seconds_sum{role="coordinator",phase="evaluate"} 0.01',
      `convoy_worker_heartbeat_age_seconds{${of}} 1.5`,
      `convoy_worker_straggler_ratio{${of}} 2.5`,
      `convoy_worker_leases{${of}} 1`,
      `convoy_worker_results_refused_total{${of}} 2`,
      `convoy_worker_samples_total{${of}} 64`,
      `convoy_worker_shards_total{${of}} 3`,
      `convoy_worker_shards_reissued_total{${of},reason="failed"} 3`,
      `convoy_worker_shards_reissued_total{${of},reason="bad_result"} 4`,
      `convoy_worker_traffic_bytes_total{${of},kind="results",direction="received"} 10`,
      `convoy_worker_traffic_bytes_total{${of},kind="weights",direction="sent"} 20`,
      `convoy_worker_traffic_bytes_total{${of},kind="samples",direction="sent"} 30`,
      'convoy_results_refused_total{reason="not_finite"} 1',
      'convoy_results_refused_total{reason="absurd"} 1',
      'convoy_results_refused_total{reason="malformed"} 1',
      'convoy_nonfinite_gradients_total 2',
    ])
      assert.ok(text.includes(line(series)), `${series} in\n${text}`)
  })

  it('are rendered once for all requests within 250 ms', async () => {
    let now = 0
    const metrics = new PrometheusMetrics(() => now, IDENTITY)
    const first = await metrics.render()
    metrics.observe(EVENTS.find(({ kind }) => kind === 'step')!)
    now = 200
    assert.equal(await metrics.render(), first)
    now = 300
    assert.ok((await metrics.render()).text.includes(line('convoy_step 1')))
  })

  it('have labels that are truncated, and quoted as Prometheus requires', async () => {
    const metrics = new PrometheusMetrics(() => 0, IDENTITY)
    const [started] = EVENTS
    assert.ok(started?.kind === 'started')
    metrics.observe({ ...started, dataset: { ...started.dataset, name: `a"b\n${'x'.repeat(300)}` } })
    const { text } = await metrics.render()
    const [, dataset] = /^convoy_run_info\{.*dataset="(.*?)",precision=/m.exec(text)!
    assert.equal(dataset, `a\\"b\\n${'x'.repeat(195)}…`)
  })

  it('restart when a worker joins another run, with the label of that run', async () => {
    const metrics = new WorkerMetrics('w', () => 0)
    const own = async (): Promise<string[]> =>
      (await metrics.render()).text.split('\n').filter((one) => /^convoy_/.test(one))
    assert.ok((await own()).every((one) => one.includes('component="worker"') && !one.includes('run=')))
    for (const run of ['first', 'second']) {
      metrics.joined(run)
      assert.ok(!(await own()).some((one) => one.startsWith('convoy_worker_shards_total')))
      metrics.observe(HEARTBEAT)
      metrics.joined(run)
      metrics.observe(HEARTBEAT)
      const series = await own()
      assert.ok(series.every((one) => one.includes(`run="${run}"`) && one.includes('worker="w"')))
      assert.ok(series.includes(`convoy_worker_shards_total{worker="w",component="worker",run="${run}"} 3`))
    }
  })

  it('are documented as the code defines them', () => {
    for (const [name, content] of generatedFiles()) {
      const file = readFileSync(path.join(packageRoot, name), 'utf8')
      assert.ok(file === content, `${name} is stale: npm run generate`)
    }
  })
})

describe('a histogram', () => {
  /** Cumulative count of each bucket. */
  function bucketsIn(text: string, series: string): Record<string, number> {
    const lines = text.split('\n').filter((line) => line.startsWith(series))
    const pairs = lines.map((line): [string, number] => {
      const [, limit, value] = /\ble="([^"]+)".* (\d+)$/.exec(line)!
      return [limit!, Number(value)]
    })
    return Object.fromEntries(pairs)
  }

  it('counts a value equal to a limit in the bucket of that limit', async () => {
    const limits = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30]
    const metrics = new PrometheusMetrics(() => performance.now(), IDENTITY)
    const step = EVENTS.find((event) => event.kind === 'step')!
    for (const limit of limits) metrics.observe({ ...step, durationMs: 1000 * limit })
    metrics.observe({ ...step, durationMs: 30_001 })
    const expected = Object.fromEntries([...limits, '+Inf'].map((limit, index) => [String(limit), index + 1]))
    const { text } = await metrics.render()
    assert.deepEqual(bucketsIn(text, 'convoy_step_duration_seconds_bucket'), expected)
  })

  it('of phases counts a time equal to a limit in the bucket of that limit', async () => {
    const limits = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10]
    const times = new PhaseTimes()
    for (const limit of [...limits, 10.001]) times.record('encode', limit)
    const metrics = new PrometheusMetrics(() => performance.now(), IDENTITY)
    metrics.watch({ ...NO_WORKERS, workerPhases: () => times.report() })
    const expected = Object.fromEntries([...limits, '+Inf'].map((limit, index) => [String(limit), index + 1]))
    const { text } = await metrics.render()
    const series = 'convoy_phase_duration_seconds_bucket{role="worker",phase="encode"'
    assert.deepEqual(bucketsIn(text, series), expected)
  })
})

describe('phases', () => {
  it('are counted by bucket, the last of which has no limit', () => {
    const times = new PhaseTimes()
    for (const seconds of [0.0001, 0.002, 0.002, 100]) times.record('wait', seconds)
    times.add([{ phase: 'wait', counts, seconds: 1 }])
    const [report] = times.report()
    assert.deepEqual(report?.counts, [2, 1, 1, 3, 1, 1, 1, 1, 1, 1, 1, 2])
    assert.deepEqual(phaseMean(report!), { times: 16, meanSeconds: 101.0041 / 16 })
  })

  it('are taken apart from those before', () => {
    const times = new PhaseTimes()
    times.record('send', 0.25)
    const before = times.report()
    times.record('send', 0.5)
    times.record('wait', 2)
    const after = new PhaseTimes()
    after.record('send', 0.5)
    after.record('wait', 2)
    assert.deepEqual(phasesSince(before, times.report()), after.report())
  })
})

describe('a heartbeat', () => {
  it('is accepted unchanged when it is valid', () => {
    const gpu = { utilization: 1, memoryUsedBytes: 1, memoryBytes: 2, temperatureCelsius: 60, powerWatts: 100 }
    assert.deepEqual(readHeartbeat({ ...HEARTBEAT, gpu }), { ...HEARTBEAT, gpu })
    assert.equal(readHeartbeat({ ...HEARTBEAT, gpu: null }).gpu, undefined)
  })

  const phase = HEARTBEAT.phases[0]!
  const nonsense: Record<string, Partial<Heartbeat>> = {
    'a phase that does not exist': { phases: [{ ...phase, phase: 'sleep' }] },
    'a phase that comes twice': { phases: [phase, phase] },
    'a phase with too few buckets': { phases: [{ ...phase, counts: [1] }] },
    'a time that is not a number': { phases: [{ ...phase, seconds: NaN }] },
    'a negative delay': { eventLoopDelaySeconds: -1 },
    'more workers than a relay can have': { workers: 4_097 },
    'an infinite temperature': {
      gpu: { utilization: 1, memoryUsedBytes: 1, memoryBytes: 2, temperatureCelsius: Infinity, powerWatts: 100 },
    },
  }
  for (const [what, part] of Object.entries(nonsense)) {
    it(`with ${what} is rejected`, () => {
      assert.throws(
        () => readHeartbeat({ ...HEARTBEAT, ...part }),
        (error: ConvoyError) => error.code === 'protocol' && error.message.startsWith('Heartbeat holds'),
      )
    })
  }

  it('reports a phase of both threads once', () => {
    const heartbeatStats = new HeartbeatStats(false, () => undefined)
    const times = new PhaseTimes()
    times.record('send', 0.25)
    heartbeatStats.progress({ shardsDone: 1, tensors: 0, tensorBytes: 0, phases: times.report() })
    heartbeatStats.times.record('send', 0.5)
    const { phases } = heartbeatStats.take()
    heartbeatStats.close()
    assert.deepEqual(
      phases.map(({ phase, counts, seconds }) => [phase, counts.reduce((a, b) => a + b), seconds]),
      [['send', 2, 0.75]],
    )
  })
})

describe('GPU readings from nvidia-smi', () => {
  it('are ratios, bytes, degrees and watts', () => {
    assert.deepEqual(parseGpu('37, 1024, 143771, 41, 123.45\n'), {
      utilization: 0.37,
      memoryUsedBytes: 1024 * 2 ** 20,
      memoryBytes: 143771 * 2 ** 20,
      temperatureCelsius: 41,
      powerWatts: 123.45,
    })
  })

  it('are absent, not 0, where the GPU reports none', () => {
    assert.deepEqual(parseGpu('[N/A], 1, 2, 3, [Not Supported]'), {
      memoryUsedBytes: 2 ** 20,
      memoryBytes: 2 * 2 ** 20,
      temperatureCelsius: 3,
    })
  })

  it('are absent while they fail, are retried, and leave the rest of the heartbeat unchanged', async () => {
    const directory = mkdtempSync(path.join(os.tmpdir(), 'convoy-smi-'))
    const answer = path.join(directory, 'answer')
    // nvidia-smi fails while the file is missing.
    writeFileSync(path.join(directory, 'nvidia-smi'), `#!/bin/sh\ncat '${answer}'\n`, { mode: 0o755 })
    const { PATH } = process.env
    process.env['PATH'] = `${directory}:${PATH}`
    const warnings: string[] = []
    writeFileSync(answer, '37, 1024, 143771, 41, 123.45\n')
    const heartbeatStats = new HeartbeatStats(true, (text) => warnings.push(text), 20)
    try {
      await until('a reading', () => heartbeatStats.take().gpu?.temperatureCelsius === 41)
      rmSync(answer)
      await until('no reading', () => heartbeatStats.take().gpu === undefined)
      await until('a time of the event loop', () => heartbeatStats.take().eventLoopDelaySeconds > 0)
      writeFileSync(answer, '37, 1024, 143771, 42, 123.45\n')
      await until('another reading', () => heartbeatStats.take().gpu?.temperatureCelsius === 42)
      assert.equal(warnings.length, 1)
      assert.match(warnings[0]!, /^The GPU cannot be read: /)
    } finally {
      heartbeatStats.close()
      process.env['PATH'] = PATH
      rmSync(directory, { recursive: true })
    }
  })

  for (const text of ['', 'No devices were found', '1, 2, 3, 4', '1, 2, 3, 4, x', '-1, 2, 3, 4, 5', '1, , 3, 4, 5'])
    it(`are rejected when nvidia-smi prints “${text}”`, () => {
      assert.throws(() => parseGpu(text), /nvidia-smi printed/)
    })

  const smi = spawnSync('nvidia-smi', ['-L']).status === 0
  it('can be read from a real GPU', { skip: smi ? false : 'no nvidia-smi here' }, async () => {
    const { readGpu } = await import('../../../src/worker/gpu-readings.js')
    assert.ok((await readGpu('0')).memoryBytes! > 0)
  })
})
