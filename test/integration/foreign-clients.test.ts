import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { protoPath } from 'grpc-health-check'
import { pythonEnvironment } from '../../src/bench/python-environment.js'
import { packageRoot } from '../../src/shared/package-root.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import { findGrpcurl } from './foreign-clients/grpcurl.js'
import { killLaunches, Launch } from '../support/launch.js'

// Third-party clients against a run, with the commands of docs/reference/logs.md word for word.

const SOURCES = path.join(packageRoot, 'test', 'integration', 'foreign-clients')
const PAGE = readFileSync(path.join(packageRoot, 'docs', 'reference', 'logs.md'), 'utf8')
const DOCUMENTED = '127.0.0.1:7701'
/** Go package of the page's installation command. */
const GRPCURL = /go install ([^\s`]+)/.exec(PAGE)?.[1] ?? 'github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3'

/** A tiny run evaluates every few steps. */
const ACTIVE = /^(training|evaluating)$/

const run = promisify(execFile)
const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-clients-'))
const grpcurl = await findGrpcurl(GRPCURL)
let training: Launch
let admin: string

before(async () => {
  training = new Launch(
    [
      ...['train', '--recipe', 'quick', '--data', tiny.directory, '--epochs', '100000', '--workers', '1'],
      ...['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0'],
    ],
    tiny.environment,
  )
  admin = (await training.announcement()).adminAddress
  await training.untilMetrics(({ kind }) => kind === 'step')
})
after(() => {
  killLaunches()
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})

interface Called {
  readonly services: readonly string[]
  readonly files: Readonly<Record<string, readonly string[]>>
  readonly fields: readonly string[]
  readonly status: {
    readonly state: string
    readonly step: number
    readonly totalSteps: number
    readonly workers: readonly { readonly state: string; readonly shardsDone: string }[]
  }
  readonly text: string
  readonly state: string
  readonly totalSteps: number
  readonly differences: readonly string[]
  readonly check: Readonly<Record<string, string>>
  readonly watch: Readonly<Record<string, string>>
}

describe("gRPC's own Python packages", () => {
  let python: string
  before(async () => {
    python = await pythonEnvironment('test', path.join(SOURCES, 'requirements.txt'), () => undefined)
  })

  it('call health and Status through reflection and through stubs of the proto file, and read the same descriptors as protoc', async () => {
    const protos = [path.join(packageRoot, 'proto'), path.resolve(path.dirname(protoPath), '..', '..')]
    const output = mkdtempSync(path.join(scratch, 'stubs-'))
    const { stdout } = await run(python, [path.join(SOURCES, 'call_coordinator.py'), admin, output, ...protos])
    const called = JSON.parse(stdout) as Called

    assert.deepEqual(called.services, ['convoy.v1.Admin', 'grpc.health.v1.Health'])
    assert.deepEqual(Object.keys(called.files).sort(), ['convoy.proto', 'grpc/health/v1/health.proto'])
    const [own, health] = [called.files['convoy.proto']!, called.files['grpc/health/v1/health.proto']!]
    assert.ok(own.includes('convoy.v1.StatusReply') && own.every((name) => name.startsWith('convoy.v1.')))
    assert.ok(health.every((name) => name.startsWith('grpc.health.v1.')))
    assert.ok(called.fields.includes('total_steps') && called.fields.includes('run_directory'))
    assert.deepEqual(called.differences, [])

    assert.match(called.status.state, ACTIVE)
    assert.ok(called.status.step > 0)
    assert.equal(called.status.totalSteps, called.totalSteps)
    assert.ok(Number(called.status.workers[0]!.shardsDone) > 0)
    assert.doesNotMatch(called.text, /^15:/m)
    assert.match(called.state, ACTIVE)
    assert.deepEqual(called.check, {
      ...{ '': 'SERVING', 'convoy.v1.Control': 'SERVING', 'convoy.run': 'SERVING' },
      nonsense: 'NOT_FOUND',
    })
    assert.deepEqual(called.watch, { '': 'SERVING', 'convoy.run': 'SERVING', nonsense: 'SERVICE_UNKNOWN' })
  })

  it('work as documented', async () => {
    const [, program] = /^```python\n(.*?)^```$/ms.exec(PAGE)!
    const file = path.join(scratch, 'documented.py')
    writeFileSync(file, program!.replaceAll(DOCUMENTED, admin))
    const { stdout, stderr } = await run(python, [file])
    assert.match(stdout, /^(training|evaluating) \d+ \d+\n$/)
    assert.equal(stderr, '')
  })
})

/** The page's indented lines that begin with `grpcurl`, in order. */
const COMMANDS = [...PAGE.matchAll(/^ {4}(grpcurl .*)$/gm)].map(([, command]) => command!)

describe(
  'grpcurl',
  { skip: 'why' in grpcurl && `${grpcurl.why}: no command of docs/reference/logs.md was tried` },
  () => {
    /** Runs a documented command on this run's coordinator. */
    function start(command: string): ReturnType<typeof spawn> {
      const words = command.replace(DOCUMENTED, admin).replace(/^grpcurl/, (grpcurl as { command: string }).command)
      return spawn('sh', ['-c', `exec ${words}`], { stdio: ['ignore', 'pipe', 'pipe'] })
    }

    async function output(command: string, isEnough: (stdout: string) => boolean = () => false): Promise<string> {
      const child = start(command)
      let [stdout, stderr] = ['', '']
      child.stdout!.on('data', (text: Buffer) => {
        stdout += text.toString()
        if (isEnough(stdout)) child.kill()
      })
      child.stderr!.on('data', (text: Buffer) => (stderr += text.toString()))
      const status = await new Promise((resolve) => child.once('close', resolve))
      if (!isEnough(stdout)) assert.equal(status, 0, `${command}\n${stderr}`)
      return stdout
    }

    function documented(end: string): string {
      const command = COMMANDS.find((candidate) => candidate.endsWith(end))
      assert.ok(command !== undefined, `docs/reference/logs.md shows no grpcurl … ${end}`)
      return command
    }

    it('lists and describes every service and message', async () => {
      assert.equal(await output(documented(' list')), 'convoy.v1.Admin\ngrpc.health.v1.Health\n')
      const described = await output(documented(' describe'))
      for (const word of [
        'convoy.v1.Admin is a service',
        'rpc Stop',
        'grpc.health.v1.Health is a service',
        'rpc Watch',
      ])
        assert.ok(described.includes(word), described)
      assert.match(await output(documented('describe convoy.v1.StatusReply')), /uint32 total_steps = 3;/)
      const map = await output(`grpcurl -plaintext ${DOCUMENTED} describe grpc.health.v1.HealthListResponse`)
      assert.match(map, /map<string, \.grpc\.health\.v1\.HealthCheckResponse> statuses = 1;/)
      const optional = await output(`grpcurl -plaintext ${DOCUMENTED} describe convoy.v1.Gpu`)
      assert.match(optional, /optional double utilization = 1;/)
    })

    it('checks, lists and watches health', async () => {
      for (const command of COMMANDS.filter((candidate) => candidate.endsWith('Health/Check')))
        assert.deepEqual(JSON.parse(await output(command)), { status: 'SERVING' }, command)
      const first = await output(documented('Health/Watch'), (stdout) => stdout.includes('}'))
      assert.deepEqual(JSON.parse(first), { status: 'SERVING' })
      const { statuses } = JSON.parse(await output(`grpcurl -plaintext ${DOCUMENTED} grpc.health.v1.Health/List`)) as {
        statuses: Record<string, unknown>
      }
      assert.deepEqual(statuses['convoy.v1.Admin'], { status: 'SERVING' })
    })

    it('reads the status of the run, with only fields of the proto file', async () => {
      const status = JSON.parse(await output(documented('Admin/Status'))) as Called['status']
      assert.match(status.state, ACTIVE)
      assert.match(status.workers[0]!.shardsDone, /^\d+$/)
      const known = /message StatusReply \{.*?^\}/ms.exec(
        readFileSync(path.join(packageRoot, 'proto', 'convoy.proto'), 'utf8'),
      )![0]
      for (const name of Object.keys(status))
        assert.ok(known.includes(` ${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)} =`), name)
    })

    it('pauses the run, makes a checkpoint, and lets it go on', async () => {
      const { step, wasPaused, checkpoint } = JSON.parse(await output(documented('Admin/Pause'))) as Record<
        string,
        unknown
      >
      // Fields that are false or empty are left out.
      assert.deepEqual([Number(step) > 0, wasPaused], [true, undefined])
      const saved = { step, directory: checkpoint }
      assert.deepEqual(JSON.parse(await output(documented('Admin/Checkpoint'))), saved)
      assert.deepEqual(JSON.parse(await output(documented('Admin/Continue'))), { wasPaused: true })
    })

    it('stops the run', async () => {
      assert.deepEqual(JSON.parse(await output(documented('Admin/Stop'))), {})
      assert.equal(await training.status(), 0)
    })
  },
)
