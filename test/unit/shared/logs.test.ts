import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { LocalWorkers } from '../../../src/launch/local-workers.js'
import { WorkerLogs } from '../../../src/coordinator/worker-logs.js'
import type { ConvoyError } from '../../../src/shared/errors.js'
import { FaultChain } from '../../../src/shared/log/fault-chain.js'
import { LogFile } from '../../../src/shared/log/log-file.js'
import type { LogModule } from '../../../src/shared/log/log-levels.js'
import { LOG_LEVELS, LOG_MODULES, parseLogLevels } from '../../../src/shared/log/log-levels.js'
import type { LogRecord } from '../../../src/shared/log/log.js'
import { Log } from '../../../src/shared/log/log.js'
import { readableLine } from '../../../src/shared/log/readable-line.js'
import type { LogLineMessage } from '../../../src/shared/protocol/messages.js'
import { MAX_LOG_LINE_LENGTH, MAX_LOG_LINES } from '../../../src/shared/protocol/messages.js'
import { LogRelay } from '../../../src/worker/log-relay.js'
import { worker } from '../../support/example-run.js'

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-logs-'))
after(() => {
  rmSync(scratch, { recursive: true, force: true })
})

/** Text that a terminal would obey: colours, a bell, a forged line, right-to-left text. */
const HOSTILE = 'a\u001b[31mb\u0007c\r\n✖ d\u009b2Je\u202ef\u2028g\u007f'
const CONTROLS = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/u

const record = (module: LogModule, timeMs: number, message: string, more: Partial<LogRecord> = {}): LogRecord => ({
  ...{ level: 'warn', module, timeMs, message },
  ...more,
})

describe('the levels of a log', () => {
  it('are set for all modules, or by module', () => {
    assert.equal(parseLogLevels('warn').grpc, 'warn')
    const levels = parseLogLevels('info, scheduler=debug,grpc=warn')
    assert.deepEqual([levels.run, levels.scheduler, levels.grpc], ['info', 'debug', 'warn'])
    assert.deepEqual([parseLogLevels('grpc=debug').run, parseLogLevels('grpc=debug').grpc], ['info', 'debug'])
  })

  for (const text of ['', 'loud', 'info,grcp=debug', 'grpc=loud', 'grpc=', 'info,warn', 'run=info,run=warn', 'run=a=b'])
    it(`are rejected in "${text}", and the valid ones are named`, () => {
      assert.throws(
        () => parseLogLevels(text),
        ({ message, exitStatus }: ConvoyError) =>
          exitStatus === 2 && [...LOG_LEVELS, ...LOG_MODULES].every((word) => message.includes(word)),
      )
    })

  it('pass records of their level and above, by module', () => {
    const seen: string[] = []
    const log = new Log({
      levels: parseLogLevels('error,scheduler=debug'),
      sinks: [({ module, level }) => seen.push(`${module} ${level}`)],
      now: () => 0,
    })
    for (const module of ['run', 'scheduler'] as const) for (const level of LOG_LEVELS) log.module(module)[level]('x')
    assert.deepEqual(seen, ['run error', ...LOG_LEVELS.map((level) => `scheduler ${level}`)])
  })
})

describe('a line of the log', () => {
  it('on the terminal is one line without control characters', () => {
    for (const level of LOG_LEVELS) {
      const text = readableLine(record('worker', 0, HOSTILE, { level, worker: HOSTILE, fields: { reason: HOSTILE } }))
      assert.doesNotMatch(text, CONTROLS)
    }
    assert.equal(readableLine(record('worker', 0, 'it fails', { worker: 'box:1' })), '⚠ box:1: it fails')
    assert.equal(readableLine(record('run', 0, 'step', { level: 'debug', fields: { n: 1 } })), '· run: step n=1')
  })

  it('in the file is one JSON object with the exact message', async () => {
    const directory = mkdtempSync(path.join(scratch, 'file-'))
    const file = new LogFile({ directory, onFailure: (error) => assert.fail(error) })
    file.write(record('worker', 1.7e12, HOSTILE, { worker: HOSTILE, fields: { reason: HOSTILE } }))
    file.write(record('run', 1.7e12, 'the last line before the end'))
    await file.close()
    const lines = readFileSync(path.join(directory, 'convoy.log'), 'utf8').trimEnd().split('\n')
    assert.equal(lines.length, 2)
    assert.doesNotMatch(lines[0]!, CONTROLS)
    assert.deepEqual(JSON.parse(lines[0]!), {
      ...{ time: '2023-11-14T22:13:20.000Z', level: 'warn', module: 'worker' },
      ...{ worker: HOSTILE, message: HOSTILE, fields: { reason: HOSTILE } },
    })
  })
})

describe('convoy.log', () => {
  it('is rotated by size: a limited number of files, the newest lines in convoy.log, none cut', async () => {
    const directory = mkdtempSync(path.join(scratch, 'rotated-'))
    const [mostBytes, mostFiles] = [20_000, 3]
    const file = new LogFile({ directory, mostBytes, mostFiles, onFailure: (error) => assert.fail(error) })
    const LINES = 4_000
    for (let number = 0; number < LINES; number++) {
      file.write(record('run', number, 'x'.repeat(50), { fields: { number } }))
      if (number % 1_000 === 0) await new Promise(setImmediate)
    }
    await file.close()
    assert.deepEqual(readdirSync(directory).sort(), ['convoy.1.log', 'convoy.2.log', 'convoy.log'])
    const numbers = ['convoy.2.log', 'convoy.1.log', 'convoy.log'].flatMap((name) => {
      const whole = path.join(directory, name)
      assert.ok(statSync(whole).size <= mostBytes, `${name} has ${statSync(whole).size} bytes`)
      return readFileSync(whole, 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => (JSON.parse(line) as { fields: { number: number } }).fields.number)
    })
    assert.equal(numbers.at(-1), LINES - 1)
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => LINES - numbers.length + index),
    )
  })

  it('reports once that it cannot be written, and continues', async () => {
    const failures: string[] = []
    const directory = mkdtempSync(path.join(scratch, 'full-'))
    symlinkSync('/dev/full', path.join(directory, 'convoy.log'))
    const file = new LogFile({ directory, onFailure: ({ message }) => failures.push(message) })
    for (let number = 0; number < 3; number++) {
      file.write(record('run', number, 'x'))
      await new Promise(setImmediate)
    }
    await file.close()
    assert.deepEqual(failures, ['ENOSPC: no space left on device, write'])
  })
})

describe('the output of the workers of convoy train', () => {
  /** Runs a worker that prints and exits before it works. @returns the warnings */
  const print = async (directory: string, script: string): Promise<string[]> => {
    const preload = path.join(directory, 'preload.cjs')
    writeFileSync(preload, `const { writeSync: write } = require('node:fs'); ${script}; process.exit(0)`)
    const warnings: string[] = []
    const log = new Log({
      levels: parseLogLevels('info'),
      sinks: [({ message }) => warnings.push(message)],
      now: () => 0,
    })
    const workers = new LocalWorkers({
      ...{ count: 1, address: '127.0.0.1:9', logDirectory: directory, device: 'cpu', logLevel: 'info' },
      environment: () => ({ ...process.env, NODE_OPTIONS: `--require ${preload}` }),
      onNoneLeft: (why) => assert.fail(why),
      log: log.module('process'),
    })
    await workers.close()
    return warnings
  }

  it('is limited in size and keeps the newest lines', async () => {
    const directory = mkdtempSync(path.join(scratch, 'flood-'))
    const LINES = 450_000
    const AT_ONCE = 500
    const warnings = await print(
      directory,
      `for (let n = 0; n < ${LINES}; n += ${AT_ONCE})
         write(2, Array.from({ length: ${AT_ONCE} }, (_, index) => String(n + index + 1).padStart(99) + '\\n').join(''))`,
    )
    assert.deepEqual(warnings, [])
    const files = readdirSync(directory).filter((name) => name.startsWith('worker-'))
    assert.deepEqual(files.sort(), ['worker-0.1.log', 'worker-0.log'])
    for (const name of files) assert.ok(statSync(path.join(directory, name)).size <= 16 * 2 ** 20, name)
    assert.match(readFileSync(path.join(directory, 'worker-0.log'), 'utf8'), new RegExp(` ${LINES}\n$`))
  })

  it('reports a full disk once and continues', async () => {
    const directory = mkdtempSync(path.join(scratch, 'full-'))
    symlinkSync('/dev/full', path.join(directory, 'worker-0.log'))
    const warnings = await print(directory, `write(1, 'one\\n'); write(2, 'two\\n')`)
    assert.deepEqual(warnings, [
      'Some lines could not be written to worker-0.log: ENOSPC: no space left on device, write.',
    ])
  })
})

describe('a chain of faults', () => {
  const died = record('compute', 1_000, 'CUDA ran out of memory', { level: 'error', worker: 'box:1' })
  const exited = record('process', 1_400, 'Worker 0 ended with status 1')
  const left = record('scheduler', 1_100, 'Worker 1 left: connection lost')
  const reissued = record('scheduler', 1_101, '4 shards of worker 1 go to others')

  it('begins with the error that a worker logged, although its departure arrived first', () => {
    const chain = new FaultChain()
    // The clock of the worker is slightly late.
    for (const fault of [left, reissued, exited, { ...died, timeMs: 1_150 }]) chain.observe(fault)
    assert.deepEqual(
      chain.faults.map(({ message }) => message),
      [died, left, reissued, exited].map(({ message }) => message),
    )
    assert.equal(
      chain.describe('No worker is left.'),
      [
        'First: 00:00:01.150 box:1: CUDA ran out of memory',
        '  then: 00:00:01.100 Worker 1 left: connection lost',
        '  then: 00:00:01.101 4 shards of worker 1 go to others',
        '  then: 00:00:01.400 Worker 0 ended with status 1',
        '  then: No worker is left.',
      ].join('\n'),
    )
  })

  it('begins with the exit of a process that logged nothing', () => {
    const chain = new FaultChain()
    for (const fault of [left, reissued, exited]) chain.observe(fault)
    assert.equal(chain.faults[0], exited)
  })

  it('begins with the earliest fault when they are far apart', () => {
    const chain = new FaultChain()
    for (const fault of [{ ...died, timeMs: 9_000 }, left]) chain.observe(fault)
    assert.equal(chain.faults[0], left)
  })

  it('ends when a step completes, and ignores records below warnings', () => {
    const chain = new FaultChain()
    chain.observe(died)
    chain.clear()
    chain.observe(record('run', 2_000, 'evaluated', { level: 'info' }))
    assert.equal(chain.describe('The training diverged.'), 'The training diverged.')
  })

  it('reports a repeated fault once, with its count', () => {
    const chain = new FaultChain()
    for (const timeMs of [1_400, 4_000, 7_000]) chain.observe({ ...exited, timeMs })
    assert.equal(
      chain.describe('The end.'),
      'First: 00:00:01.400 Worker 0 ended with status 1 (3 times)\n  then: The end.',
    )
  })

  it('is limited in length and keeps its beginning', () => {
    const chain = new FaultChain()
    chain.observe(died)
    for (let n = 0; n < 10_000; n++) chain.observe({ ...left, message: `Worker ${n} left`, timeMs: 2_000 + n })
    const lines = chain.describe('The end.').split('\n')
    assert.match(lines[0]!, /CUDA/)
    assert.match(lines.at(-2)!, /\d+ more faults/)
    assert.equal(lines.length, 9)
  })
})

describe('log lines of workers', () => {
  const line = (message: string, more: Partial<LogLineMessage> = {}): LogLineMessage => ({
    ...{ level: 'warn', module: 'worker', message, secondsAgo: 0 },
    ...more,
  })
  const open = () => {
    const seen: LogRecord[] = []
    const clock = { nowMs: 1e12 }
    const log = new Log({ levels: parseLogLevels('info'), sinks: [(one) => seen.push(one)], now: () => clock.nowMs })
    return { seen, clock, logs: new WorkerLogs(log, 'warn', () => clock.nowMs) }
  }

  it('have the worker’s name, and the time by the coordinator’s clock', () => {
    const { seen, logs } = open()
    logs.receive(worker, { lines: [line('slow disk', { secondsAgo: 2.5 })], leftOut: 0 })
    const expected = { timeMs: 1e12 - 2_500, level: 'warn', module: 'worker', worker: 'host:1', message: 'slow disk' }
    assert.deepEqual(seen, [expected])
  })

  it('are limited to a burst and a few lines a second, with a count of the omitted ones', () => {
    const { seen, clock, logs } = open()
    const lines = new Array<LogLineMessage>(MAX_LOG_LINES).fill(line('again'))
    for (let batch = 0; batch < 1_000; batch++) {
      logs.receive(worker, { lines, leftOut: 1 })
      clock.nowMs += 1
    }
    assert.ok(seen.length <= 80, `${seen.length} lines`)
    clock.nowMs += 10_000
    logs.receive(worker, { lines: [line('later')], leftOut: 0 })
    const counts = seen.flatMap(
      ({ message }) => /^([\d,]+) lines? of it (?:was|were) left out/.exec(message)?.[1] ?? [],
    )
    const leftOut = counts.reduce((sum, count) => sum + Number(count.replaceAll(',', '')), 0)
    assert.equal(leftOut + seen.length - counts.length, 1_000 * (MAX_LOG_LINES + 1) + 1)
    assert.equal(seen.at(-1)!.message, 'later')
  })

  it('are limited for many workers together as well', () => {
    const { seen, logs } = open()
    const lines = new Array<LogLineMessage>(MAX_LOG_LINES).fill(line('again'))
    for (let id = 0; id < 1_000; id++) logs.receive({ ...worker, id }, { lines, leftOut: 0 })
    assert.ok(seen.length <= 520, `${seen.length} lines`)
  })

  const nonsense: Record<string, LogLineMessage[]> = {
    'too many lines': new Array<LogLineMessage>(MAX_LOG_LINES + 1).fill(line('x')),
    'a line too long': [line('x'.repeat(MAX_LOG_LINE_LENGTH + 1))],
    'a level that does not exist': [line('x', { level: 'fatal' })],
    'a module that does not exist': [line('x', { module: '__proto__' })],
    'a negative age': [line('x', { secondsAgo: -1 })],
    'an age that is not a number': [line('x', { secondsAgo: NaN })],
  }
  for (const [what, lines] of Object.entries(nonsense))
    it(`are rejected as a whole with ${what}`, () => {
      const { seen, logs } = open()
      assert.throws(
        () => logs.receive(worker, { lines: [line('good'), ...lines], leftOut: 0 }),
        (error: ConvoyError) => error.code === 'protocol',
      )
      assert.deepEqual(seen, [])
    })

  it('wait in the worker for the next heartbeat, limited in number and truncated', () => {
    let nowMs = 5_000
    const relay = new LogRelay(() => nowMs)
    assert.equal(relay.take(), undefined)
    relay.write(record('worker', 5_000, 'news before it joined', { level: 'info' }))
    relay.setLevel('warn')
    relay.write(record('worker', 5_000, 'news', { level: 'info' }))
    assert.equal(relay.take(), undefined)
    for (let n = 0; n < 100; n++) relay.write(record('worker', 5_000, `${n} ${'x'.repeat(5_000)}`))
    nowMs = 5_500
    const { lines, leftOut } = relay.take()!
    assert.deepEqual([lines.length, leftOut], [MAX_LOG_LINES, 100 - MAX_LOG_LINES])
    assert.deepEqual(
      [lines[0]!.message.length, lines[0]!.message[0], lines[0]!.secondsAgo],
      [MAX_LOG_LINE_LENGTH, '0', 0.5],
    )
    relay.setLevel('info')
    relay.write(record('worker', 5_500, 'news', { level: 'info' }))
    assert.equal(relay.take()?.lines[0]?.message, 'news')
  })
})
