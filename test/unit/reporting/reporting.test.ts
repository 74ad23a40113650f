import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { PassThrough } from 'node:stream'
import { after, describe, it } from 'node:test'
import { checkRunTransition } from '../../../src/scheduler/run-states.js'
import { classTable, finalTable } from '../../../src/reporting/final-table.js'
import { metricsFile } from '../../../src/reporting/sinks/metrics-file.js'
import { RunLog } from '../../../src/reporting/run-log.js'
import { createRunDirectory, writeResult } from '../../../src/reporting/run-directory.js'
import { ProgressLine } from '../../../src/reporting/sinks/progress-line.js'
import { createProgressDisplay } from '../../../src/reporting/sinks/terminal-progress.js'
import { Terminal } from '../../../src/shared/terminal.js'
import { isRunGoingOn } from '../../../src/reporting/run-lock.js'
import { RunProgress } from '../../../src/reporting/run-progress.js'
import type { RunEvent, RunResult } from '../../../src/training/run-events.js'
import type { ConvoyError } from '../../../src/shared/errors.js'
import { EVENTS, result, worker } from '../../support/example-run.js'

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-reporting-'))
after(() => {
  rmSync(scratch, { recursive: true, force: true })
})

const context = {
  runDirectory: scratch,
  identity: { run: 'r', name: 'r', recipe: 'quick', version: '1' },
  wallSeconds: () => Date.now() / 1000,
  onLost: (_records: number, reason: Error) => {
    throw reason
  },
}

describe('metrics.jsonl', () => {
  it('has times in seconds since 1970, and the hashes of the result', async () => {
    const file = metricsFile.open(context)
    const before = Date.now() / 1000
    for (const event of EVENTS) file.observe(event)
    await file.close()
    const lines = readFileSync(path.join(scratch, 'metrics.jsonl'), 'utf8').trimEnd().split('\n')
    const read = lines.map((text) => JSON.parse(text) as { time: number; kind: string })
    assert.ok(read.every(({ time }) => time >= before && time <= before + 600))
    assert.deepEqual(
      read.map(({ kind }) => kind),
      EVENTS.map(({ kind }) => kind).filter((kind) => kind !== 'evaluating'),
    )
    assert.deepEqual(
      { ...read.at(-1), time: 0 },
      {
        ...{ time: 0, kind: 'finished', weightsSha256: result.weightsSha256, weights: result.weights },
      },
    )
  })
})

describe('run directory', () => {
  it('fault 14: is unique, even for two coordinators started in the same second', async () => {
    const [{ runDirectory: first, lock }, { runDirectory: second }] = [
      await createRunDirectory(scratch, 'quick', 1_700_000_000_000),
      await createRunDirectory(scratch, 'quick', 1_700_000_000_000),
    ]
    assert.match(first, /20231114T221320Z_quick$/)
    assert.match(second, /20231114T221320Z_quick-2$/)
    assert.equal(isRunGoingOn(first), true)
    lock!.release()
    assert.equal(isRunGoingOn(first), false)
  })

  it('gives an error with the flag when it cannot be written', async () => {
    const file = path.join(scratch, 'a-file')
    writeFileSync(file, '')
    await assert.rejects(
      createRunDirectory(file, 'x', 0),
      (error: ConvoyError) => /--runs-dir/.test(error.message) && error.exitStatus === 2,
    )
  })

  it('receives the result with its documented fields', async () => {
    await writeResult(scratch, result)
    const read = JSON.parse(readFileSync(path.join(scratch, 'result.json'), 'utf8')) as RunResult
    assert.deepEqual(read, result)
    assert.deepEqual(
      [read.validation!.accuracy, read.test!.accuracy, read.test!.loss, read.weightsSha256.length],
      [0.75, 0.75, 1.25, 64],
    )
  })

  it('receives every event but partial progress in metrics.jsonl', async () => {
    const file = metricsFile.open(context)
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

/** A progress line, and the observer that updates it. */
function progressLine() {
  const progress = new RunProgress()
  const line = new ProgressLine(progress)
  const observe = (event: RunEvent): void => {
    progress.observe(event)
    line.observe(event)
  }
  return { line, observe }
}

describe('progress', () => {
  it('on a pipe is plain lines: steps at intervals, every evaluation and every worker', async () => {
    const stream = new PassThrough()
    let now = 0
    const progress = new RunProgress()
    const display = createProgressDisplay(new Terminal(stream as unknown as NodeJS.WriteStream), progress, () => now)
    const log = new RunLog(scratch, 'info', display, () => undefined)
    for (const event of EVENTS) {
      progress.observe(event)
      display.observe(event)
      log.observe(event)
      now += 1000
    }
    display.close()
    await log.close()
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

  it('on a terminal shows waiting, and no rate after only one step', () => {
    const { line, observe } = progressLine()
    for (const event of EVENTS.slice(0, 4)) observe(event)
    assert.equal(line.within(80), '██████████░░░░░░░░░░  1/2  epoch 0.50  loss 2.000  accuracy 25.0 %  1 worker')
    observe({ kind: 'waiting' })
    assert.equal(line.within(80), '██████████░░░░░░░░░░  1/2  waiting for workers')
  })

  it('on a terminal shows the rate of all workers together and the remaining time', () => {
    const { line, observe } = progressLine()
    for (const event of EVENTS.filter(({ kind }) => kind === 'started' || kind === 'step'))
      observe(event.kind === 'started' ? { ...event, totalSteps: 702 } : ({ ...event, workers: 2 } as RunEvent))
    assert.match(line.plain(), /^step 2\/702 .* 1280 samples\/s {2}2 workers {2}1 min 10 s left$/)
  })

  it('ends in a table with accuracy by class and the confusion matrix', () => {
    const table = finalTable(result, 'runs/x')
    assert.match(table, /cat\s+│ 100\.0 %\s+│ 2\s+│ 0/)
    assert.match(table, /dog\s+│ 50\.0 %\s+│ 1\s+│ 1/)
    assert.match(table, /1 min 01 s/)
    assert.ok(!table.includes('\u001b'))
  })

  it('labels the columns of the matrix with letters where names are long, and never truncates a name', () => {
    const confusion = [
      [3, 1],
      [0, 4],
    ]
    const [, head, , first] = classTable({ confusion, split: 'test' }, ['airplane', 'automobile']).split('\n')
    assert.deepEqual(
      [cells(head!), cells(first!)],
      [
        ['test', 'accuracy', 'a', 'b'],
        ['a  airplane', '75.0 %', '3', '1'],
      ],
    )
    const [, short] = classTable({ confusion, split: 'test' }, ['cat', 'dog']).split('\n')
    assert.deepEqual(cells(short!), ['test', 'accuracy', 'cat', 'dog'])
    const many = Array.from({ length: 21 }, (_, label) => `class ${label}`)
    const wide = classTable({ confusion: many.map(() => many.map(() => 1)), split: 'test' }, many).split('\n')
    assert.deepEqual(cells(wide[1]!), ['test', 'accuracy'])
    assert.deepEqual(cells(wide[3]!), ['class 0', '4.8 %'])
  })
})

function cells(line: string): string[] {
  return line
    .split('│')
    .map((cell) => cell.trim())
    .filter((cell) => cell !== '')
}

describe('the state of a run', () => {
  const joined: RunEvent = { kind: 'worker-joined', worker, workers: 1 }
  const step = EVENTS.find((event) => event.kind === 'step')!

  it('follows the events, also after waiting', () => {
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
    progress.endWithoutResult('failed')
    assert.equal(progress.summary.state, 'finished')
  })

  it('is waiting when the last step is reported after the last worker left', () => {
    const progress = new RunProgress()
    const evaluating: RunEvent = { kind: 'evaluating', split: 'validation', done: 0, total: 4 }
    const states = ([joined, step, { kind: 'waiting' }, step, evaluating, joined] as const).map((event) => {
      progress.observe(event)
      return progress.summary.state
    })
    assert.deepEqual(states, ['training', 'training', 'waiting', 'waiting', 'waiting', 'evaluating'])
  })

  it('is paused from the pause to its end, whichever workers come and go', () => {
    const progress = new RunProgress()
    const paused: RunEvent = { kind: 'paused', step: 1 }
    const continued: RunEvent = { kind: 'continued', step: 1, seconds: 1 }
    const left: RunEvent = { kind: 'worker-left', worker, reason: 'on request', workers: 0 }
    const states = [joined, step, paused, left, joined, continued, { kind: 'waiting' } as const, paused].map(
      (event) => {
        progress.observe(event)
        return progress.summary.state
      },
    )
    assert.deepEqual(states, [
      ...['training', 'training', 'paused', 'paused', 'paused', 'training', 'waiting', 'paused'],
    ])
    progress.endWithoutResult('stopped')
    assert.equal(progress.summary.state, 'stopped')
  })

  it('is finished after all planned steps, and stopped after fewer', () => {
    const started = EVENTS.find((event) => event.kind === 'started')!
    for (const [totalSteps, state] of [
      [result.steps, 'finished'],
      [result.steps + 1, 'stopped'],
    ] as const) {
      const progress = new RunProgress()
      const evaluating: RunEvent = { kind: 'evaluating', split: 'test', done: 0, total: 4 }
      for (const event of [{ ...started, totalSteps }, joined, step, evaluating]) progress.observe(event)
      progress.observe({ kind: 'finished', result })
      assert.equal(progress.summary.state, state)
    }
  })

  it('has the rate and the remaining time of all workers together, without the first step', () => {
    const progress = new RunProgress()
    const started = EVENTS.find((event) => event.kind === 'started')!
    progress.observe({ ...started, totalSteps: 10 })
    progress.observe(joined)
    progress.observe({ ...step, step: 1, durationMs: 5_000, workers: 2 })
    assert.deepEqual([progress.summary.samplesPerSecond, progress.summary.secondsLeft], [0, 0])
    // 128 samples each.
    for (const [index, durationMs] of [100, 200].entries())
      progress.observe({ ...step, step: 2 + index, durationMs, workers: 2 })
    // The mean step takes 150 ms.
    const rate = 128 / 0.15
    const { samplesPerSecond, secondsLeft } = progress.summary
    assert.ok(Math.abs(samplesPerSecond - rate) < 1e-9)
    assert.ok(Math.abs(secondsLeft - (7 * 128) / rate) < 1e-9)
  })

  it('rejects transitions outside its diagram, and does not leave a final state', () => {
    assert.throws(() => {
      checkRunTransition('training', 'finished')
    }, /a run cannot become finished: it is training/)
    const failed = new RunProgress()
    failed.endWithoutResult('failed')
    failed.observe(joined)
    assert.equal(failed.summary.state, 'failed')
  })
})
