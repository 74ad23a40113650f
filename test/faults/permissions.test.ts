import assert from 'node:assert/strict'
import type { SpawnSyncReturns } from 'node:child_process'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import sharp from 'sharp'
import { packageRoot } from '../../src/shared/package-root.js'
import { createStaging, publish } from '../../src/shared/staging.js'
import { tinyDataset } from '../support/tiny-dataset.js'

/** A user without an entry in /etc/passwd, and so without a home directory. */
const OTHER_USER = 4242
const CONVOY = path.join(packageRoot, 'bin', 'convoy.mjs')

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-permissions-'))
chmodSync(scratch, 0o755)
const tiny = tinyDataset()
after(() => {
  rmSync(scratch, { recursive: true, force: true })
  tiny.remove()
})

/** Why tests cannot run as another user here; undefined when they can. */
function whyNoOtherUser(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can run a command as another user'
  const { status, error } = spawnSync(process.execPath, [CONVOY, 'config', 'recipes'], {
    uid: OTHER_USER,
    gid: OTHER_USER,
  })
  return status === 0
    ? undefined
    : `user ${OTHER_USER} cannot run this checkout (${error?.message ?? `status ${status}`})`
}

interface Options {
  readonly umask?: string
  readonly asOtherUser?: boolean
  readonly cache?: string
  readonly environment?: NodeJS.ProcessEnv
  readonly at?: string
}

function convoy(args: readonly string[], options: Options = {}): SpawnSyncReturns<string> {
  const { umask = '022', asOtherUser, cache, environment = process.env, at = scratch } = options
  return spawnSync('sh', ['-c', `umask ${umask}; exec "$@"`, 'sh', process.execPath, CONVOY, ...args], {
    cwd: at,
    env: { ...environment, ...(cache && { CONVOY_CACHE: cache }) },
    encoding: 'utf8',
    timeout: 300_000,
    ...(asOtherUser && { uid: OTHER_USER, gid: OTHER_USER }),
  })
}

/** Asserts the exit status and a message without a stack. */
function assertOneLine({ status, stderr }: SpawnSyncReturns<string>, expected: number, message: RegExp): void {
  assert.equal(status, expected, stderr)
  assert.match(stderr, message)
  assert.doesNotMatch(stderr, /\n\s+at /)
  assert.equal(stderr.match(/^✖/gm)?.length, 1, stderr)
}

async function photos(directory: string): Promise<string> {
  for (const [name, background] of Object.entries({ cat: 'red', dog: 'blue' })) {
    mkdirSync(path.join(directory, name), { recursive: true })
    const image = sharp({ create: { width: 8, height: 8, channels: 3, background } })
    for (const index of [1, 2, 3])
      writeFileSync(path.join(directory, name, `${index}.png`), await image.png().toBuffer())
  }
  return directory
}

function everythingIn(directory: string): string[] {
  return [
    directory,
    ...readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => path.join(directory, name)),
  ]
}

function modesIn(directory: string): { directories: number[]; files: number[] } {
  const found = everythingIn(directory).map((file) => statSync(file))
  const modes = (isDirectory: boolean): number[] => [
    ...new Set(found.filter((entry) => entry.isDirectory() === isDirectory).map(({ mode }) => mode & 0o777)),
  ]
  return { directories: modes(true), files: modes(false) }
}

let photosHere: string
let ownCache: string
let run: string
before(async () => {
  // Runs the set-up of the checkout, which the other user may not do.
  convoy(['status'])
  photosHere = await photos(path.join(scratch, 'photos'))
  ownCache = path.join(scratch, 'cache')
  assert.equal(convoy(['data', 'import', 'photos', '--name', 'pets'], { cache: ownCache }).status, 0)
  const training = [
    'train',
    '--recipe',
    'quick',
    '--data',
    tiny.directory,
    '--max-steps',
    '1',
    '--workers',
    '1',
    '--json',
  ]
  const { status, stdout, stderr } = convoy([...training, '--runs-dir', 'runs'], {
    environment: { ...process.env, ...tiny.environment },
  })
  assert.equal(status, 0, stderr)
  run = path.join(scratch, (JSON.parse(stdout) as { runDirectory: string }).runDirectory)
})

describe('published files', () => {
  for (const [umask, directories, files] of [
    ['022', 0o755, 0o644],
    ['002', 0o775, 0o664],
    ['077', 0o700, 0o600],
  ] as const) {
    it(`are readable for the users permitted by umask ${umask}`, async () => {
      const cache = path.join(scratch, `cache-${umask}`)
      assert.equal(convoy(['data', 'import', 'photos'], { cache, umask }).status, 0)
      assert.deepEqual(modesIn(cache), { directories: [directories], files: [files] })

      const before = process.umask(Number.parseInt(umask, 8))
      try {
        const root = path.join(scratch, `runtime-${umask}`)
        const staging = await createStaging(root)
        writeFileSync(path.join(staging.directory, 'runtime.json'), '{}')
        await publish(staging.directory, path.join(root, 'published'), () => true)
        await staging.remove()
        assert.deepEqual(modesIn(root), { directories: [directories], files: [files] })
      } finally {
        process.umask(before)
      }
    })
  }

  it('of a run directory are readable for the readers of its log', () => {
    const { directories, files } = modesIn(run)
    assert.deepEqual([directories, files], [[0o755], [0o644]])
    assert.ok(everythingIn(run).some((file) => file.endsWith('model.safetensors')))
  })
})

describe('another user', { skip: whyNoOtherUser() }, () => {
  it('reads a data set and a model published for all', () => {
    const known = convoy(['data', 'list', '--json'], { cache: ownCache, asOtherUser: true })
    assert.equal((JSON.parse(known.stdout) as { name: string }[])[0]!.name, 'pets', known.stderr)
    for (const args of [
      ['data', 'verify', 'pets'],
      ['data', 'info', './photos'],
    ]) {
      const { status, stderr } = convoy(args, { cache: ownCache, asOtherUser: true })
      assert.equal(status, 0, stderr)
    }
    const model = path.join(run, 'model', 'best', 'layers-model', 'weights.bin')
    const { status, stderr } = spawnSync('cat', [model], { uid: OTHER_USER, gid: OTHER_USER })
    assert.equal(status, 0, stderr.toString())
  })

  it('cannot remove a data set from a foreign cache', () => {
    const removing = convoy(['data', 'remove', 'pets'], { cache: ownCache, asOtherUser: true })
    assertOneLine(removing, 1, /cannot be written \(EACCES\).*CONVOY_CACHE/)
    assert.equal(convoy(['data', 'verify', 'pets'], { cache: ownCache }).status, 0)
  })

  it('gets the error of a missing permission, not of a missing file', () => {
    const locked = path.join(scratch, 'locked')
    cpSync(run, path.join(locked, 'run'), { recursive: true })
    cpSync(photosHere, path.join(locked, 'photos'), { recursive: true })
    writeFileSync(path.join(locked, 'config.yaml'), 'epochs: 1')
    chmodSync(locked, 0o700)
    const options = { cache: ownCache, asOtherUser: true }
    for (const args of [
      ['data', 'info', 'locked/photos'],
      ['data', 'import', 'locked/photos'],
      ['report', 'locked/run'],
      ['status', 'locked/run'],
      ['stop', 'locked/run'],
      ['status', '--runs-dir', 'locked'],
      ['status', '--open', '--runs-dir', 'locked/run'],
      ['config', 'show', '--config', 'locked/config.yaml'],
    ]) {
      const outcome = convoy(args, options)
      assertOneLine(outcome, 2, /locked.* cannot be read \(EACCES\): this user may not read it/)
      assert.doesNotMatch(outcome.stderr, /there is no|No run is going on/, args.join(' '))
    }
  })

  it('sees the data sets beside an unreadable one', async () => {
    const cache = path.join(scratch, 'mixed')
    await photos(path.join(scratch, 'open'))
    writeFileSync(path.join(scratch, 'open', 'cat', '4.png'), readFileSync(path.join(scratch, 'open', 'dog', '1.png')))
    assert.equal(convoy(['data', 'import', 'open'], { cache }).status, 0)
    assert.equal(convoy(['data', 'import', 'photos'], { cache }).status, 0)
    const entries = JSON.parse(convoy(['data', 'list', '--json'], { cache }).stdout) as Record<string, string>[]
    const locked = entries.find(({ name }) => name === 'photos')!['fingerprint']!
    chmodSync(path.join(cache, 'datasets', locked), 0o700)
    const options = { cache, asOtherUser: true, at: os.tmpdir() }
    const { status, stdout, stderr } = convoy(['data', 'info', 'open', '--json'], options)
    assert.equal(status, 0, stderr)
    assert.equal((JSON.parse(stdout) as { count: number }).count, 7)
    assert.match(stderr, new RegExp(`Skipped: .*${locked}.* cannot be read \\(EACCES\\)`))
    assert.match(convoy(['data', 'list'], options).stdout, new RegExp(`${locked}.* cannot be read`))
  })

  it('does not reinstall an unreadable runtime', () => {
    const cache = path.join(scratch, 'private')
    mkdirSync(path.join(cache, 'runtime', 'one'), { recursive: true })
    writeFileSync(path.join(cache, 'runtime', 'current'), 'one\n')
    chmodSync(path.join(cache, 'runtime', 'one'), 0o700)
    for (const command of [
      ['runtime', 'show'],
      ['train', '--max-steps', '1'],
    ])
      assertOneLine(convoy(command, { cache, asOtherUser: true }), 1, /runtime.json cannot be read \(EACCES\)/)
  })

  const noHome = { PATH: process.env['PATH'] }
  const computing = [
    ['train', '--max-steps', '1'],
    ['coordinator'],
    ['worker', '--join', '127.0.0.1:1'],
    ['eval', 'runs'],
    ['predict', 'runs', 'photos'],
    ['data', 'info'],
    ['data', 'list'],
    ['data', 'verify'],
    ['data', 'import', 'photos'],
    ['data', 'info', './photos'],
    ['data', 'remove', 'x'],
    ['runtime', 'show'],
    ['runtime', 'install', '--cpu'],
  ]
  it('without a home directory gets an error with the remedy from every command', () => {
    for (const args of computing) {
      const outcome = convoy(args, { environment: noHome, asOtherUser: true })
      assertOneLine(outcome, 1, /^✖ User 4242 has no home directory.*HOME.*CONVOY_CACHE/m)
    }
    assertOneLine(convoy(['status'], { environment: noHome, asOtherUser: true }), 2, /No run is going on/)
    const doctor = convoy(['doctor'], { environment: noHome, asOtherUser: true })
    assert.match(doctor.stdout + doctor.stderr, /User 4242 has no home directory/)
    assert.doesNotMatch(doctor.stderr, /\n\s+at /)
  })

  it('with an unwritable home directory gets an error before any decoding', () => {
    const home = { ...noHome, HOME: '/' }
    assert.equal(existsSync('/.cache'), false)
    for (const args of [
      ['data', 'info'],
      ['data', 'import', 'photos'],
      ['train', '--max-steps', '1'],
    ])
      assertOneLine(
        convoy(args, { environment: home, asOtherUser: true }),
        1,
        /^✖ \/\.cache\/convoy\/\w+ cannot be written \(EACCES\).*CONVOY_CACHE/m,
      )
  })

  it('gets an error with the remedy when set-up is not permitted', () => {
    const checkout = path.join(scratch, 'checkout')
    for (const part of ['bin', 'scripts', 'src', 'package.json', 'package-lock.json', 'tsconfig.base.json'])
      cpSync(path.join(packageRoot, part), path.join(checkout, part), { recursive: true })
    const { status, stderr } = spawnSync(process.execPath, [path.join(checkout, 'bin', 'convoy.mjs'), 'status'], {
      uid: OTHER_USER,
      gid: OTHER_USER,
      env: noHome,
      encoding: 'utf8',
    })
    assert.equal(status, 1, stderr)
    assert.match(stderr, /^✖ Set-up cannot use .*checkout.* \(EACCES\): .*npm run setup/)
    assert.doesNotMatch(stderr, /\n\s+at /)
  })
})
