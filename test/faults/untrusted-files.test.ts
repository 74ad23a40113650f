import assert from 'node:assert/strict'
import type { SpawnSyncReturns } from 'node:child_process'
import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { packageRoot } from '../../src/shared/package-root.js'
import { openRegularFile, readRegularFile, readTextIfThere } from '../../src/shared/read-file.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import { killLaunches, Launch } from '../support/launch.js'

const CONVOY = path.join(packageRoot, 'bin', 'convoy.mjs')
/** A hanging command is killed after this time. */
const PATIENCE_MS = 90_000

const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-untrusted-'))
after(() => {
  killLaunches()
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})

function run(program: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}): SpawnSyncReturns<string> {
  return spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, ...tiny.environment, ...environment },
    timeout: PATIENCE_MS,
    killSignal: 'SIGKILL',
  })
}

const convoy = (...args: string[]): SpawnSyncReturns<string> => run(process.execPath, [CONVOY, ...args])

function pipe(file: string): void {
  rmSync(file, { force: true })
  execFileSync('mkfifo', [file])
}

function assertRefused({ status, stderr }: SpawnSyncReturns<string>, message: RegExp): void {
  assert.equal(status, 2, stderr || 'it did not end')
  assert.match(stderr, message)
  assert.doesNotMatch(stderr, /\n\s+at /)
}

describe('fault 67: a run directory made by another user', () => {
  const finished = path.join(scratch, 'finished')
  let copies = 0
  const copy = (): string => {
    const directory = path.join(scratch, `run ${copies++}`)
    cpSync(finished, directory, { recursive: true })
    return directory
  }
  before(async () => {
    const flags = ['--standalone', '--device', 'cpu', '--data', tiny.directory, '--max-steps', '2', '--json']
    const { runDirectory } = await new Launch(['train', ...flags], tiny.environment, true).result()
    cpSync(String(runDirectory), finished, { recursive: true })
  })

  for (const [file, ...command] of [
    ['metrics.jsonl', 'report'],
    ['config.yaml', 'report'],
    ['result.json', 'report'],
    ['status.json', 'report'],
    ['environment.json', 'report'],
    ['coordinator.json', 'status'],
    ['result.json', 'simulate', '--from'],
    ['model/best/convoy.json', 'eval'],
    ['model/best/model.safetensors', 'eval'],
  ] as const) {
    it(`with a pipe for ${file} ends \`convoy ${command.join(' ')}\` with an error, without waiting`, () => {
      const directory = copy()
      pipe(path.join(directory, file))
      assertRefused(convoy(...command, directory), new RegExp(`${file} is a pipe, not a regular file`))
    })
  }

  it('is rejected with a device or a file above its size limit', () => {
    const directory = copy()
    rmSync(path.join(directory, 'environment.json'))
    symlinkSync('/dev/zero', path.join(directory, 'environment.json'))
    assertRefused(convoy('report', directory), /environment\.json is a device, not a regular file/)
    rmSync(path.join(directory, 'environment.json'))
    truncateSync(path.join(directory, 'metrics.jsonl'), 600e6)
    assertRefused(convoy('report', directory), /metrics\.jsonl is larger than the limit of 500 MB/)
  })

  it('has links for report.html and inspection.json replaced, not followed', () => {
    const directory = copy()
    const mine = path.join(scratch, 'mine')
    mkdirSync(mine)
    for (const name of ['report.html', 'inspection.json']) {
      writeFileSync(path.join(mine, name), 'precious')
      rmSync(path.join(directory, name), { force: true })
      symlinkSync(path.join(mine, name), path.join(directory, name))
    }
    const { status, stderr } = convoy('report', directory)
    assert.equal(status, 0, stderr)
    for (const name of ['report.html', 'inspection.json']) {
      assert.equal(readFileSync(path.join(mine, name), 'utf8'), 'precious')
      assert.ok(lstatSync(path.join(directory, name)).isFile())
      assert.ok(lstatSync(path.join(directory, name)).size > 1000)
    }
    assert.match(stderr, /inspection\.json is damaged and will be computed again/)
    assert.deepEqual(
      readdirSync(directory).filter((name) => name.startsWith('.')),
      [],
    )
  })

  it('is reported through a link given with --out', () => {
    const [target, link] = [path.join(scratch, 'target.html'), path.join(scratch, 'link.html')]
    writeFileSync(target, '')
    symlinkSync(target, link)
    assert.equal(convoy('report', copy(), '--out', link).status, 0)
    assert.ok(lstatSync(link).isSymbolicLink())
    assert.ok(lstatSync(target).size > 1000)
  })
})

describe('fault 67: data and a cache made by another user', () => {
  it('are rejected with pipes in place of IDX files', () => {
    const directory = path.join(scratch, 'idx')
    mkdirSync(directory)
    pipe(path.join(directory, 'train-images-idx3-ubyte'))
    writeFileSync(path.join(directory, 'train-labels-idx1-ubyte'), '')
    assertRefused(convoy('data', 'import', directory), /train-images-idx3-ubyte is a pipe, not a regular file/)
  })

  it('are listed as damaged with a pipe in place of a header', () => {
    const cache = path.join(scratch, 'cache')
    const damaged = path.join(cache, 'datasets', 'a'.repeat(64))
    mkdirSync(damaged, { recursive: true })
    pipe(path.join(damaged, 'info.json'))
    const { stdout, stderr, status } = run(process.execPath, [CONVOY, 'data', 'list'], { CONVOY_CACHE: cache })
    assert.match(stdout + stderr, /info\.json is a pipe, not a regular file.*convoy data remove/)
    assert.notEqual(status, null)
  })
})

describe('fault 67: a pipe or a device for --config', () => {
  const show = `${JSON.stringify(process.execPath)} ${JSON.stringify(CONVOY)} config show --config`
  const shell = (script: string): SpawnSyncReturns<string> => run('bash', ['-c', script])

  it('is rejected when it has no end', () => {
    for (const source of ['/dev/zero', '<(yes "seed: 1")'])
      assertRefused(shell(`${show} ${source}`), /--config .* is larger than the limit of 1\.0 MB/)
  })

  it('is read to its end, however late, and the wait is logged', () => {
    const atOnce = shell(`${show} <(echo seed: 17)`)
    assert.match(atOnce.stdout, /^seed: 17$/m, atOnce.stderr)
    const fifo = path.join(scratch, 'late.yaml')
    pipe(fifo)
    const late = shell(`(sleep 5; echo seed: 18 > ${fifo}) & ${show} ${fifo}`)
    assert.match(late.stdout, /^seed: 18$/m, late.stderr)
    assert.match(late.stderr, /^Waiting for .*late\.yaml: /m)
  })
})

describe('fault 67: reading a file', () => {
  it('rejects sockets, devices, directories and files above the limit', async (test) => {
    const file = path.join(scratch, 'five')
    writeFileSync(file, '12345')
    assert.equal(readRegularFile(file, 5).toString(), '12345')
    assert.throws(() => readRegularFile(file, 4), /larger than the limit of 4 B/)
    assert.throws(() => readRegularFile(scratch, 5, 'data'), /EISDIR/)
    assert.equal(readTextIfThere(path.join(scratch, 'none'), 5), undefined)
    const socket = path.join(scratch, 'socket')
    const server = createServer().listen(socket)
    test.after(() => server.close())
    await once(server, 'listening')
    assert.throws(() => readRegularFile(socket, 5), /is a socket, not a regular file/)
    await assert.rejects(openRegularFile('/dev/null'), /is a device, not a regular file/)
  })
})
