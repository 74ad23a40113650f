import assert from 'node:assert/strict'
import type { SpawnSyncReturns } from 'node:child_process'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { addressProblems } from '../../../src/coordinator/address-problems.js'
import { packageRoot } from '../../../src/shared/package-root.js'

const CONVOY = path.join(packageRoot, 'bin', 'convoy.mjs')
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-flags-'))
after(() => {
  rmSync(scratch, { recursive: true, force: true })
})

function convoy(args: readonly string[], environment: NodeJS.ProcessEnv = {}): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [CONVOY, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
    cwd: scratch,
    timeout: 90_000,
  })
}

/** Asserts one report with one line per problem, and that no file was written. */
function assertRejected({ status, stderr, stdout }: SpawnSyncReturns<string>, problems: readonly RegExp[]): void {
  assert.equal(status, 2, stderr)
  assert.equal(stdout, '')
  const lines = stderr.split('\n').filter((line) => /^(✖| {2})/.test(line))
  const reported = problems.length === 1 ? lines : lines.slice(1)
  if (problems.length > 1) assert.equal(lines[0], `✖ ${problems.length} problems:`, stderr)
  assert.equal(reported.length, problems.length, stderr)
  for (const problem of problems)
    assert.ok(
      reported.some((line) => problem.test(line)),
      `${problem} in ${stderr}`,
    )
  assert.deepEqual(
    readdirSync(scratch).filter((name) => !name.endsWith('.yaml')),
    [],
  )
}

describe('fault 52: every command reports all problems at once and writes nothing to disk', () => {
  writeFileSync(path.join(scratch, 'run.yaml'), 'recipe: fasst\nsede: 1\nnetwork:\n  reg: .nan\nlabelSmoothing: {}\n')
  const flags = [
    ...[
      '--config',
      'run.yaml',
      '--epochs',
      '1e99',
      '--batch-size',
      '-32',
      '--set',
      'nonsense',
      '--sead',
      '3',
      '--foo=4',
    ],
    ...['--listen', 'nonsense', '--admin-listen', '0.0.0.0:99', '--metrics-listen', '1:2:3', '--data', 'nothing'],
    ...['--max-workers', '5000', '--worker-log-level', 'loud', '--announce', 'missing/file', '--name'],
  ]
  const environment = { CONVOY_LOG_LEVEL: 'loud', CONVOY_SEED: '-4' }
  const problems = [
    /run\.yaml: recipe: there is no recipe "fasst"/,
    /run\.yaml: sede: there is no such setting/,
    /run\.yaml: network\.reg: /,
    /run\.yaml: labelSmoothing/,
    /--epochs 1e99: /,
    /--batch-size -32: /,
    /--set nonsense: write path=value/,
    /unknown option '--sead'\. Did you mean --seed\?/,
    /unknown option '--foo=4'\. `convoy \w+ --help`/,
    /--listen: "nonsense" is not host:port/,
    /--admin-listen 0\.0\.0\.0:99 .*--insecure/,
    /--metrics-listen: "1:2:3" is not host:port/,
    /--data nothing: there is no such data set/,
    /--max-workers: /,
    /'--worker-log-level <level>' argument 'loud' .*error, warn, info, debug/,
    /--announce missing\/file: /,
    /'--name <name>' argument missing/,
    /'loud' from env 'CONVOY_LOG_LEVEL'/,
    /CONVOY_SEED: /,
  ]

  it('coordinator', () => {
    assertRejected(convoy(['coordinator', ...flags], environment), problems)
  })

  it('train, with its additional flags', () => {
    const more = [/'tpu' from env 'CONVOY_DEVICE'/, /--workers: /]
    const rejected = convoy(['train', '--workers', 'x', ...flags], { ...environment, CONVOY_DEVICE: 'tpu' })
    assertRejected(rejected, [...problems, ...more])
  })

  it('worker and status, which also reject port 0', () => {
    const args = ['--join', 'host:0', '--nme', 'x', '--patience', 'x', '--metrics-listen', 'q', '--name', '\u001b']
    assertRejected(convoy(['worker', ...args], { CONVOY_DEVICE: 'tpu' }), [
      /--join host:0: nothing listens on port 0/,
      /unknown option '--nme'\. Did you mean --name\?/,
      /'--patience <seconds>' argument 'x'/,
      /--metrics-listen: "q"/,
      /--name: .*U\+001B/,
      /'tpu' from env 'CONVOY_DEVICE'/,
    ])
    assertRejected(convoy(['status', '--admin', '127.0.0.1:0']), [/--admin 127\.0\.0\.1:0: nothing listens on port 0/])
  })

  it('relay, which is not to be exposed by mistake', () => {
    const args = ['--join', 'host:0', '--listen', '0.0.0.0:7710', '--max-workers', '0', '--name', '\u001b']
    assertRejected(convoy(['relay', ...args]), [
      /--join host:0: nothing listens on port 0/,
      /--listen 0\.0\.0\.0:7710 can be reached by other machines.*--insecure/,
      /'--max-workers <number>' argument '0'/,
      /--name: .*U\+001B/,
    ])
  })

  it('simulate, bench, config show and predict', () => {
    assertRejected(convoy(['simulate', '--from', 'none', '--jitter', '5', '--stebs', '3']), [
      /--from none/,
      /--jitter: /,
      /'--stebs'\. Did you mean --steps\?/,
    ])
    const both = ['--batch-size', '128', '--shards-per-worker', '1']
    const apart = ['--relays', '8', '--latency', '1', '--exchange', 'none', ...both]
    assertRejected(convoy(['simulate', '--from', 'none', ...apart]), [
      /--relays: .*--bandwidth/,
      /--latency: without --bandwidth/,
      /--shards-per-worker: .*--batch-size/,
      /--from none/,
      /--exchange none: .*`npx convoy bench exchange/,
    ])
    assertRejected(convoy(['simulate', '--from', 'none', '--bandwidth', 'fast', '--workers', '1025']), [
      /--workers: 1 to 1,024 workers/,
      /--bandwidth: give a rate such as 10Gbit\/s/,
      /--from none/,
    ])
    assertRejected(convoy(['bench', 'engine', '--rounds', '0', '--steps', 'x', '--nonsense']), [
      /'--rounds <number>' argument '0'/,
      /'--steps <number>' argument 'x'/,
      /'--nonsense'/,
    ])
    assertRejected(convoy(['config', 'show', '--epochs', '0', '--config', 'none.yaml', '--jsn']), [
      /--epochs 0/,
      /--config none\.yaml: there is no such file/,
      /Did you mean --json\?/,
    ])
    assertRejected(convoy(['predict']), [/argument 'run'/, /argument 'inputs'/])
  })

  it('train with conflicting launch flags or an unknown launcher', () => {
    assertRejected(convoy(['train', '--launcher', 'processes', '--standalone']), [
      /--standalone and --launcher exclude/,
    ])
    assertRejected(convoy(['train', '--launcher', 'slurm']), [/'slurm' is invalid.*processes, standalone/])
    assertRejected(convoy(['train', '--launcher', 'standalone', '--workers', '2']), [/--standalone and --workers/])
  })

  it('train with a directory that holds no data set', () => {
    assertRejected(convoy(['train', '--data', '.']), [/holds no data set/])
  })

  it('train with more workers than the limit of open files permits', () => {
    const script = `ulimit -n 160; exec "$0" "$@"`
    const args = ['train', '--workers', '50', '--max-workers', '90', '--seed', 'x']
    const { status, stderr } = spawnSync('sh', ['-c', script, process.execPath, CONVOY, ...args], {
      encoding: 'utf8',
      cwd: scratch,
    })
    assert.equal(status, 2, stderr)
    assert.match(stderr, /✖ 3 problems:/)
    assert.match(stderr, /--workers 50 needs about 390 open files, .*ulimit -n 390.*--workers 17\./)
    assert.match(stderr, /--max-workers 90 needs about 310 open files/)
  })
})

describe('an unused CONVOY_ environment variable', () => {
  it('is reported only if its name resembles a setting', () => {
    const environment = { CONVOY_BATCHSIZE: '3', CONVOY_WORKERS: '4', CONVOY_PORT: 'tcp://10.0.0.1:7700' }
    const { stderr } = convoy(['train', '--epochs', '0'], environment)
    assert.match(stderr, /CONVOY_BATCHSIZE in the environment has no effect; did you mean CONVOY_BATCH_SIZE\?/)
    assert.match(stderr, /CONVOY_WORKERS in the environment has no effect; give --workers\./)
    assert.doesNotMatch(stderr, /CONVOY_PORT/)
  })
})

describe('two listeners on one port', () => {
  const loopback = { listen: '127.0.0.1:0', adminListen: '127.0.0.1:0', metricsListen: '127.0.0.1:0', insecure: false }

  it('are rejected, also when the hosts are written differently', () => {
    assertRejected(convoy(['coordinator', '--listen', '127.0.0.1:7801', '--admin-listen', '127.0.0.1:7801']), [
      /--listen 127\.0\.0\.1:7801 and --admin-listen 127\.0\.0\.1:7801 are the same port/,
    ])
    const named = { ...loopback, adminListen: 'localhost:80', metricsListen: '127.0.0.1:80' }
    assert.match(addressProblems(named).join(), /--admin-listen localhost:80 and --metrics-listen 127\.0\.0\.1:80/)
    const everywhere = { ...loopback, listen: '0.0.0.0:80', adminListen: '127.0.0.1:80', insecure: true }
    assert.equal(addressProblems(everywhere).length, 1)
  })

  it('are allowed on different addresses, and for port 0', () => {
    assert.deepEqual(addressProblems(loopback), [])
    assert.deepEqual(addressProblems({ ...loopback, listen: '127.0.0.1:80', adminListen: '127.0.0.2:80' }), [])
  })
})
