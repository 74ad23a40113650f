import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { promisify } from 'node:util'
import * as grpc from '@grpc/grpc-js'
import { packageRoot } from '../../src/shared/package-root.js'
import type { FromWorker, JoinReply, JoinRequest, LogLineMessage } from '../../src/shared/protocol/messages.js'
import { PROTOCOL_VERSION } from '../../src/shared/protocol/messages.js'
import { Control, SESSION_KEY, WORKER_KEY } from '../../src/shared/protocol/services.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import type { TinyDataset } from '../support/tiny-dataset.js'
import { until } from '../support/until.js'
import type { Json } from '../support/launch.js'
import { killLaunches, Launch } from '../support/launch.js'

const datasets: TinyDataset[] = []
after(() => {
  killLaunches()
  for (const dataset of datasets) dataset.remove()
})

const LOCAL = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0']

function tiny(): TinyDataset {
  const dataset = tinyDataset()
  datasets.push(dataset)
  return dataset
}

function runOn({ directory }: TinyDataset): string[] {
  return ['--recipe', 'quick', '--data', directory, '--epochs', '100000', ...LOCAL]
}

/** The lines of convoy.log so far. */
function logOf(runDirectory: string): Json[] {
  const text = readFileSync(path.join(runDirectory, 'convoy.log'), 'utf8')
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Json)
}

/** Flips bits of the data set that the workers of a run are about to read. The coordinator has read it already. */
function damage({ environment }: TinyDataset, runDirectory: string): void {
  const config = JSON.parse(readFileSync(path.join(runDirectory, 'metrics.jsonl'), 'utf8').split('\n')[0]!) as {
    dataset: { fingerprint: string }
  }
  const { fingerprint } = config.dataset
  const file = path.join(environment['CONVOY_CACHE']!, 'datasets', fingerprint, 'packed.bin')
  const bytes = readFileSync(file)
  for (let at = bytes.length - 1_000; at < bytes.length; at++) bytes[at]! ^= 1
  writeFileSync(file, bytes)
}

function convoy(args: string[], environment: NodeJS.ProcessEnv = {}) {
  return spawnSync(process.execPath, [path.join(packageRoot, 'bin', 'convoy.mjs'), ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  })
}

describe('--log-level', () => {
  for (const command of [['train'], ['coordinator'], ['worker', '--join', '127.0.0.1:9']])
    it(`of convoy ${command[0]} is rejected with status 2 when it names an unknown module or level`, () => {
      const flag = convoy([...command, '--log-level', 'info,grcp=warn'])
      assert.equal(flag.status, 2)
      assert.match(flag.stderr, /✖.*--log-level.*Unknown module "grcp".*scheduler, grpc.*/)
      const variable = convoy(command, { CONVOY_LOG_LEVEL: 'grpc=loud' })
      assert.equal(variable.status, 2)
      assert.match(variable.stderr, /✖.*CONVOY_LOG_LEVEL.*Unknown level "loud".*error, warn, info, debug/)
    })

  it('is rejected likewise as --worker-log-level', () => {
    const { status, stderr } = convoy(['train', '--worker-log-level', 'loud'])
    assert.equal(status, 2)
    assert.match(stderr, /✖.*--worker-log-level.*error, warn, info, debug/)
  })

  it('adds leases and lines of workers to the log of a run on request', async () => {
    const dataset = tiny()
    const levels = ['--log-level', 'info,scheduler=debug', '--worker-log-level', 'info']
    const coordinator = new Launch(['coordinator', ...runOn(dataset), ...levels], dataset.environment)
    const { address, runDirectory } = await coordinator.announcement()
    new Launch(['worker', '--join', address, '--name', 'box'], dataset.environment)
    await coordinator.untilMetrics(({ kind }) => kind === 'step')
    const untilLine = (wanted: (line: Json) => boolean) => until('a line', () => logOf(runDirectory).some(wanted))
    await untilLine(({ module, level, message }) => module === 'scheduler' && level === 'debug' && message === 'grant')
    await untilLine(({ worker, message }) => worker === 'box' && /^Computing on/.test(message as string))
    assert.ok(logOf(runDirectory).every(({ module, level }) => module === 'scheduler' || level !== 'debug'))
    assert.match(coordinator.stderr, /^· scheduler: grant lease=\{"id":/m)
    assert.doesNotMatch(coordinator.stderr, /box: Computing on/)
    coordinator.kill()
  })
})

const BAD_NAMES = ['', ' ', 'x'.repeat(201), 'a\u001b[2Jb', 'a\nb', 'a\u009bb', 'a\u202eb', 'a\u200bb', 'a\u2028b']

describe('--name of a worker', () => {
  for (const name of BAD_NAMES)
    it(`is rejected with status 2 when it is not readable: ${JSON.stringify(name.slice(0, 5))}`, () => {
      const { status, stderr } = convoy(['worker', '--join', '127.0.0.1:9', '--name', name])
      assert.equal(status, 2)
      assert.match(stderr, /^✖ --name: a worker's name (has|may contain) .*; choose .*\n$/)
    })
})

describe('log lines of workers', () => {
  it('reach the coordinator before the worker exits: its error, with its name', async () => {
    const dataset = tiny()
    const coordinator = new Launch(['coordinator', ...runOn(dataset)], dataset.environment)
    const { address, runDirectory } = await coordinator.announcement()
    await coordinator.untilMetrics(({ kind }) => kind === 'started')
    damage(dataset, runDirectory)
    const worker = new Launch(['worker', '--join', address, '--name', 'box'], dataset.environment)
    assert.equal(await worker.status(), 2)
    const printed = await coordinator.untilStderr(/^✖ box: .*/m)
    const line = logOf(runDirectory).find(({ worker }) => worker === 'box')
    assert.equal(`✖ box: ${line?.['message'] as string}`, printed)
    assert.deepEqual([line?.['level'], line?.['module']], ['error', 'compute'])
    assert.match(worker.stderr, new RegExp(`✖ .*${dataset.environment['CONVOY_CACHE']}`))
    coordinator.kill()
  })

  it('cannot flood the coordinator or control the terminal; an invalid line disconnects its worker', async () => {
    const dataset = tiny()
    const coordinator = new Launch(['coordinator', ...runOn(dataset)], dataset.environment)
    const { address, runDirectory } = await coordinator.announcement()
    const HOSTILE = 'x\u001b[2J\r\n✖ everything is lost\u009b1m\u202e'
    const client = new Control(address, grpc.credentials.createInsecure())
    const join = promisify<JoinRequest, grpc.Metadata, grpc.CallOptions, JoinReply | undefined>(
      client.join.bind(client),
    )
    const device = { kind: 'cpu', name: 'x', tensorflowVersion: '2', fingerprint: 'f' }
    const joinAs = async (name: string) =>
      join({ protocol: PROTOCOL_VERSION, name, incarnation: 'i', host: 'h', device }, new grpc.Metadata(), {})
    for (const name of BAD_NAMES)
      await assert.rejects(
        joinAs(name),
        ({ code, details }: grpc.ServiceError) =>
          code === grpc.status.FAILED_PRECONDITION &&
          /^--name: a worker's name (has|may contain) .*; choose /.test(details),
        name,
      )
    const reply = await joinAs('liar')
    const metadata = new grpc.Metadata()
    metadata.set(WORKER_KEY, String(reply!.worker))
    metadata.set(SESSION_KEY, reply!.session)
    const stream = client.work(metadata)
    let end: grpc.ServiceError | undefined
    stream.on('error', (error: grpc.ServiceError) => (end = error))
    stream.on('data', () => undefined)
    const line: LogLineMessage = { level: 'error', module: 'worker', message: HOSTILE, secondsAgo: 0 }
    const SENT = 200
    for (let batch = 0; batch < SENT; batch++)
      stream.write({ logs: { lines: new Array<LogLineMessage>(16).fill(line), leftOut: 0 } } satisfies FromWorker)
    stream.write({ logs: { lines: [{ ...line, level: 'fatal' }], leftOut: 0 } })
    await until('an end of the stream', () => end !== undefined)
    assert.equal(end!.code, grpc.status.INVALID_ARGUMENT)

    const lines = logOf(runDirectory).filter(({ worker }) => worker === 'liar')
    assert.ok(lines.length > 0 && lines.length < 100, `${lines.length} of ${SENT * 16} lines`)
    assert.ok(lines.every(({ message }) => message === HOSTILE || /were left out/.test(message as string)))
    const raw = readFileSync(path.join(runDirectory, 'convoy.log'), 'utf8') + coordinator.stderr
    assert.doesNotMatch(raw.replaceAll('\n', ''), /[\p{Cc}\u202e]/u)
    assert.doesNotMatch(coordinator.stderr, /^✖ everything/m)
    client.close()
    coordinator.kill()
  })
})

describe('a run that fails', () => {
  it('reports the earliest cause first: the data set that a compute thread could not read', async () => {
    const dataset = tiny()
    const train = new Launch(['train', ...runOn(dataset), '--workers', '1'], dataset.environment, true)
    after(() => {
      train.remove()
    })
    const { runDirectory } = await train.announcement()
    await train.untilMetrics(({ kind }) => kind === 'started')
    damage(dataset, runDirectory)
    assert.equal(await train.status(), 1)
    const [first, ...consequences] = train.stderr.slice(train.stderr.indexOf('✖ First:')).trimEnd().split('\n')
    assert.match(first!, /^✖ First: \d\d:\d\d:\d\d\.\d\d\d .*-0: .*packed\.bin.*/)
    assert.match(
      consequences[0]!,
      /^ {2}then: .*Worker 0 ended with status 2 \(.*packed\.bin.*\); restarting it\. \(3 times\)$/,
    )
    assert.match(consequences.at(-1)!, /^ {2}then: No worker is left/)
    const last = logOf(runDirectory).at(-1)!
    assert.deepEqual([last['level'], last['module']], ['error', 'run'])
    const { faults } = last['fields'] as { faults: Json[] }
    assert.equal(faults[0]!['module'], 'compute')
    // TensorFlow's own lines stay in the worker's log.
    assert.deepEqual(
      readdirSync(runDirectory).filter((name) => name.startsWith('worker-')),
      ['worker-0.log'],
    )
  })
})
