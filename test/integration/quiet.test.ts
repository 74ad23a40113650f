import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { DEFAULT_LIMITS } from '../../src/scheduler/limits.js'
import { describeEvent } from '../../src/reporting/sinks/describe-event.js'
import { eventLog } from '../../src/reporting/sinks/event-log.js'
import { finalTable } from '../../src/reporting/final-table.js'
import type { RunEvent, RunResult } from '../../src/training/run-events.js'
import { WorkerPool } from '../../src/coordinator/worker-pool.js'
import { parseLogLevels } from '../../src/shared/log/log-levels.js'
import { Log } from '../../src/shared/log/log.js'
import { packageRoot } from '../../src/shared/package-root.js'
import * as units from '../../src/shared/units.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import { EVENTS, worker } from '../support/example-run.js'
import { killLaunches, Launch } from '../support/launch.js'

const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-quiet-'))
after(() => {
  killLaunches()
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})

/** Lines that libraries print on their own. */
const LIBRARIES = /absl|mlir|^[IWEF]\d{4} |tensorflow\/|DeprecationWarning|ExperimentalWarning/m

const TRAIN = ['train', '--recipe', 'quick', '--data', tiny.directory]

describe('standard error of a successful command', () => {
  let run: string
  before(async () => {
    const launch = new Launch([...TRAIN, '--max-steps', '2', '--standalone'], tiny.environment, true)
    assert.equal(await launch.status(), 0, launch.stderr)
    run = path.join(scratch, 'run')
    cpSync(path.join(launch.runsDirectory, readdirSync(launch.runsDirectory)[0]!), run, { recursive: true })
    launch.remove()
    assert.doesNotMatch(launch.stderr, LIBRARIES)
    assert.doesNotMatch(launch.stderr + launch.stdout, /\b1 (workers|steps|shards|samples)\b/)
  })

  for (const command of ['eval', 'predict', 'inspect', 'report', 'doctor'])
    it(`is empty: ${command}`, async () => {
      const words = {
        ...{
          eval: [run, '--data', tiny.directory],
          predict: [run, path.join(packageRoot, 'docs', 'images', 'page.png')],
        },
        ...{ inspect: [run], report: [run], doctor: [] },
      }[command]!
      const launch = new Launch([command, ...words], tiny.environment)
      const status = await launch.status()
      assert.equal(launch.stderr, '')
      assert.equal(status, 0)
    })

  it("shows TensorFlow's lines only on request", async () => {
    const launch = new Launch(['inspect', run], { ...tiny.environment, TF_CPP_MIN_LOG_LEVEL: '0' })
    assert.equal(await launch.status(), 0)
    assert.match(launch.stderr, LIBRARIES)
  })

  it("shows TensorFlow's lines when the absl addon cannot be compiled, and the command continues", async () => {
    const cache = path.join(scratch, 'cache')
    const runtime = path.join(cache, 'runtime')
    mkdirSync(runtime, { recursive: true })
    const own = path.join(tiny.environment['CONVOY_CACHE']!, 'runtime')
    cpSync(path.join(own, 'current'), path.join(runtime, 'current'))
    // Without the link, as an earlier version installed it, and without a compiler to create one.
    for (const name of readdirSync(own).filter((entry) => entry.startsWith('tensorflow-'))) {
      cpSync(path.join(own, name, 'runtime.json'), path.join(runtime, name, 'runtime.json'))
      cpSync(path.join(own, name, 'addon', 'tfjs_binding.node'), path.join(runtime, name, 'addon', 'tfjs_binding.node'))
      symlinkSync(path.join(own, name, 'tensorflow'), path.join(runtime, name, 'tensorflow'))
    }
    symlinkSync(path.join(tiny.environment['CONVOY_CACHE']!, 'datasets'), path.join(cache, 'datasets'))
    const bin = path.join(scratch, 'bin')
    mkdirSync(bin)
    const launch = new Launch(['inspect', run], { CONVOY_CACHE: cache, PATH: bin })
    assert.equal(await launch.status(), 0, launch.stderr)
  })
})

describe('a run whose workers start', () => {
  it('waits for them, and logs that no worker can compute when none is starting any more', () => {
    const events: RunEvent[] = []
    let [nowMs, starting] = [0, 2]
    const pool = new WorkerPool({
      ...{ observer: (event) => events.push(event), limits: DEFAULT_LIMITS, auditEvery: 0, maxWorkers: 4 },
      ...{ allowMixedDevices: false, now: () => nowMs, wakeAt: () => undefined, starting: () => starting },
    })
    const messages = (): (string | undefined)[] => events.map((event) => describeEvent(event))
    for (nowMs = 0; nowMs < 60_000; nowMs += 1_000) pool.tick()
    assert.deepEqual(messages(), ['Waiting for 2 workers to start.'])
    starting = 0
    for (let tick = 0; tick < 10; tick++) pool.tick()
    assert.deepEqual(messages(), ['Waiting for 2 workers to start.', 'No worker can compute; the run waits for one.'])
    assert.deepEqual(
      events.map((event) => levelAtWhichLogged(event)),
      ['info', 'warn'],
    )
  })

  it('logs the number of starting workers', async () => {
    const launch = new Launch([...TRAIN, '--epochs', '100000', '--workers', '1'], tiny.environment)
    await launch.announcement()
    for (let pids: number[] = []; pids.length === 0;) {
      pids = launch.workerPids()
      for (const pid of pids) process.kill(pid, 'SIGSTOP')
      if (pids.length === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal(await launch.untilStderr(/.*(to start|can compute).*/), 'Waiting for 1 worker to start.')
    for (const pid of launch.workerPids()) process.kill(pid, 'SIGKILL')
    launch.kill()
  })
})

/** The level of an event's line; undefined for an event without one. */
function levelAtWhichLogged(event: RunEvent): string | undefined {
  let level: string | undefined
  const log = new Log({
    levels: parseLogLevels('debug'),
    sinks: [(record) => (level = record.level)],
    now: Date.now,
  })
  eventLog(log)(event)
  return level
}

describe('the log of a run', () => {
  it('has expected events only at debug: a late result, a rescued shard', () => {
    for (const code of ['stale', 'audited', 'abandoned'] as const)
      assert.equal(levelAtWhichLogged({ kind: 'refused', worker, code, reason: code }), 'debug', code)
    assert.equal(levelAtWhichLogged({ kind: 'rescued', workerId: 1, lateId: 2, shards: 1 }), 'debug')
  })

  it('warns of bad results', () => {
    for (const code of ['malformed', 'not_finite', 'absurd'] as const)
      assert.equal(levelAtWhichLogged({ kind: 'refused', worker, code, reason: 'wrong' }), 'warn', code)
  })

  it('uses singular and plural correctly', () => {
    const lines = [
      { kind: 'worker-left', worker, reason: 'connection lost', workers: 1 },
      { kind: 'worker-left', worker, reason: 'connection lost', workers: 0 },
      { kind: 'worker-joined', worker, workers: 1 },
      { kind: 'reissued', workerId: 1, shards: 1, cause: 'lost', reason: 'connection lost' },
    ] as const
    for (const event of lines) assert.doesNotMatch(describeEvent(event)!, /\b1 (workers|shards)\b/)
    assert.match(describeEvent(lines[0])!, /left: connection lost; 1 worker remains\.$/)
    assert.match(describeEvent(lines[1])!, /left: connection lost; no worker remains\.$/)
    const result = (EVENTS.find(({ kind }) => kind === 'finished') as Extract<RunEvent, { kind: 'finished' }>).result
    const one: RunResult = { ...result, workers: 1, samplesSeen: 1 }
    assert.match(finalTable(one, 'runs/x'), /with 1 worker +│/)
    // One function formats all counts; lint rejects `${n} workers`.
    assert.deepEqual(
      [0, 1, 2, 1_200].map((count) => units.counted(count, 'worker')),
      ['0 workers', '1 worker', '2 workers', '1,200 workers'],
    )
    assert.equal(units.counted(2, 'class', 'classes'), '2 classes')
  })
})
