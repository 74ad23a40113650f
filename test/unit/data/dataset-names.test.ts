import assert from 'node:assert/strict'
import type { SpawnSyncReturns } from 'node:child_process'
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import sharp from 'sharp'
import { packageRoot } from '../../../src/shared/package-root.js'
import { tinyDataset } from '../../support/tiny-dataset.js'

interface Info {
  readonly name: string
  readonly fingerprint: string
  readonly count: number
  readonly damaged?: string
  readonly path?: string
}

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-names-'))
const tiny = tinyDataset()
after(() => {
  rmSync(scratch, { recursive: true, force: true })
  tiny.remove()
})

let red = 0
/** A unique image. */
async function image(): Promise<Buffer> {
  red++
  const background = { r: red % 256, g: red >> 8, b: 7 }
  return sharp({ create: { width: 8, height: 8, channels: 3, background } })
    .png()
    .toBuffer()
}

/** A directory with `count` images of cats and `count` of dogs. */
async function photos(directory: string, count: number): Promise<string> {
  for (const name of ['cat', 'dog']) {
    mkdirSync(path.join(directory, name), { recursive: true })
    for (let index = 0; index < count; index++) writeFileSync(path.join(directory, name, `${index}.png`), await image())
  }
  return directory
}

/** A scratch directory with a cache of its own. */
class Place {
  readonly root = mkdtempSync(path.join(scratch, 'place-'))
  readonly datasets = path.join(this.root, 'cache', 'datasets')
  /** Working directory of {@link convoy}. */
  at = this.root

  enter(...parts: string[]): this {
    this.at = path.join(this.root, ...parts)
    mkdirSync(this.at, { recursive: true })
    return this
  }

  convoy(...args: string[]): SpawnSyncReturns<string> {
    return spawnSync(process.execPath, [path.join(packageRoot, 'bin', 'convoy.mjs'), ...args], {
      cwd: this.at,
      env: { ...process.env, CONVOY_CACHE: path.join(this.root, 'cache') },
      encoding: 'utf8',
    })
  }

  succeed(...args: string[]): string {
    const { status, stdout, stderr } = this.convoy(...args)
    assert.equal(status, 0, stderr)
    return stdout
  }

  info(source: string): Info {
    return JSON.parse(this.succeed('data', 'info', source, '--json')) as Info
  }

  list(): Info[] {
    return JSON.parse(this.succeed('data', 'list', '--json')) as Info[]
  }

  reject(message: RegExp, ...args: string[]): string {
    const { status, stderr } = this.convoy(...args)
    assert.equal(status, 2, stderr)
    assert.match(stderr, message)
    assert.equal(stderr.match(/^✖/gm)?.length, 1, stderr)
    assert.doesNotMatch(stderr, /\n\s+at /)
    return stderr
  }
}

describe('resolving the path or name of a data set', () => {
  it('distinguishes directories of the same name', async () => {
    const place = new Place()
    await photos(path.join(place.root, 'a', 'photos'), 2)
    await photos(path.join(place.root, 'b', 'photos'), 3)
    const first = place.enter('a').info('photos')
    const second = place.enter('b').info('photos')
    assert.deepEqual([first.count, second.count], [4, 6])
    for (const command of ['info', 'verify'])
      assert.match(place.enter('b').succeed('data', command, 'photos'), new RegExp(second.fingerprint), command)
    assert.equal(place.enter('a').info('photos').fingerprint, first.fingerprint)
  })

  it('notices images added to a directory', async () => {
    const place = new Place()
    const directory = await photos(path.join(place.root, 'photos'), 2)
    assert.equal(place.info('photos').count, 4)
    writeFileSync(path.join(directory, 'cat', 'new.png'), await image())
    assert.equal(place.info('photos').count, 5)
    rmSync(path.join(directory, 'dog', '0.png'))
    assert.equal(place.info('photos').count, 4)
  })

  it('notices an image replaced by one of the same size and time', async () => {
    const place = new Place()
    const directory = await photos(path.join(place.root, 'photos'), 2)
    const before = place.info('./photos')
    const [first, second] = [path.join(directory, 'cat', '0.png'), path.join(directory, 'dog', '0.png')]
    const [one, other] = [readFileSync(first), readFileSync(second)]
    assert.equal(one.length, other.length)
    const time = new Date(1_700_000_000_000)
    for (const file of [first, second]) utimesSync(file, time, time)
    const touched = place.info('./photos')
    assert.equal(touched.fingerprint, before.fingerprint)
    writeFileSync(first, other)
    utimesSync(first, time, time)
    assert.notEqual(place.info('./photos').fingerprint, before.fingerprint)
  })

  it('imports a changed directory again in the size of its first import', async () => {
    const place = new Place()
    const directory = await photos(path.join(place.root, 'photos'), 2)
    place.succeed('data', 'import', 'photos', '--size', '9x10')
    const large = await sharp({ create: { width: 20, height: 30, channels: 3, background: 'red' } })
      .png()
      .toBuffer()
    writeFileSync(path.join(directory, 'cat', 'large.png'), large)
    const { count, height, width } = place.info('photos') as Info & { height: number; width: number }
    assert.deepEqual([count, height, width], [5, 9, 10])
  })

  it('trains on the directory of the working directory, and logs its full path', async () => {
    const place = new Place()
    await photos(path.join(place.root, 'a', 'photos'), 20)
    const directory = await photos(path.join(place.root, 'b', 'photos'), 25)
    const run = (at: string): SpawnSyncReturns<string> =>
      spawnSync(
        process.execPath,
        [
          path.join(packageRoot, 'bin', 'convoy.mjs'),
          ...['train', '--recipe', 'quick', '--data', 'photos', '--max-steps', '1', '--standalone', '--json'],
          ...['--batch-size', '8', '--shard-size', '8', '--runs-dir', path.join(place.root, 'runs')],
        ],
        { cwd: path.join(place.root, at), env: { ...process.env, ...tiny.environment }, encoding: 'utf8' },
      )
    const [first, second] = [run('a'), run('b')].map(({ stdout, stderr, status }) => {
      assert.equal(status, 0, stderr)
      const result = JSON.parse(stdout) as { datasetFingerprint: string; datasetFrom: string; runDirectory: string }
      return { ...result, stderr }
    })
    assert.notEqual(first!.datasetFingerprint, second!.datasetFingerprint)
    const line = `Data set photos (${second!.datasetFingerprint.slice(0, 16)}), from ${directory}: 50 images of 8x8x3, 2 classes (cat, dog).`
    assert.ok(second!.stderr.includes(line), second!.stderr)
    assert.ok(readFileSync(path.join(second!.runDirectory, 'convoy.log'), 'utf8').includes(line))
    assert.equal(second!.datasetFrom, `from ${directory}`)
    const manifest = readFileSync(path.join(second!.runDirectory, 'model', 'best', 'convoy.json'), 'utf8')
    assert.ok(!manifest.includes(directory), 'a saved model holds no paths of this machine')
  })

  it('rejects an argument that is both a name and a different directory', async () => {
    const place = new Place()
    await photos(path.join(place.root, 'photos'), 2)
    await photos(path.join(place.root, 'pets'), 3)
    place.succeed('data', 'import', 'photos', '--name', 'pets')
    for (const command of ['info', 'verify', 'remove']) {
      const text = place.reject(/can mean \.\/pets here and pets/, 'data', command, 'pets')
      const digits = /\.\/pets for the first, ([0-9a-f]+) for the second/.exec(text)![1]!
      if (command === 'info')
        assert.deepEqual([place.info(digits).count, place.info('./pets').count, place.info('pets/').count], [4, 6, 6])
    }
    assert.equal(place.enter('elsewhere').info('pets').count, 4)
  })

  it('resolves a name to its directory until that changes', async () => {
    const place = new Place()
    const directory = await photos(path.join(place.root, 'photos'), 2)
    place.succeed('data', 'import', 'photos', '--name', 'photos')
    assert.equal(place.info('photos').count, 4)
    writeFileSync(path.join(directory, 'dog', 'new.png'), await image())
    place.reject(/can mean \.\/photos here and photos/, 'data', 'info', 'photos')
    assert.equal(place.info('./photos').count, 5)
    place.succeed('data', 'import', 'photos', '--name', 'photos')
    assert.equal(place.info('photos').count, 5)
    assert.equal(place.enter('elsewhere').info('photos').count, 5)
  })

  it('rejects a name that another data set has', async () => {
    const place = new Place()
    await photos(path.join(place.root, 'one'), 2)
    await photos(path.join(place.root, 'two'), 3)
    place.succeed('data', 'import', 'one', '--name', 'pets')
    place.reject(
      /^✖ --name pets is the name of the data set .*convoy data remove/m,
      'data',
      'import',
      'two',
      '--name',
      'pets',
    )
    assert.equal(place.info('pets').count, 4)
    assert.equal(place.list().length, 1)
    cpSync(path.join(place.root, 'one'), path.join(place.root, 'same'), { recursive: true })
    place.succeed('data', 'import', 'same', '--name', 'pets')
  })

  it('distinguishes a directory called cifar10 from the embedded data set', async () => {
    const place = new Place()
    await photos(path.join(place.root, 'cifar10'), 2)
    place.reject(/can mean \.\/cifar10 here and the CIFAR-10 that ships/, 'data', 'info', 'cifar10')
    const { name, count } = place.info('./cifar10')
    assert.deepEqual([name, count], ['data-cifar10', 4])
    const embedded = spawnSync(
      process.execPath,
      [path.join(packageRoot, 'bin', 'convoy.mjs'), 'data', 'info', '--json'],
      {
        cwd: place.root,
        env: { ...process.env, ...tiny.environment },
        encoding: 'utf8',
      },
    )
    assert.equal((JSON.parse(embedded.stdout) as Info).count, 60_000, embedded.stderr)
  })

  it('rejects a name of two data sets, and lists their directories', async () => {
    const place = new Place()
    for (const at of ['a', 'b']) {
      await photos(path.join(place.root, at, 'photos'), 2)
      place.enter(at).info('photos')
    }
    const text = place.enter('c').reject(/names 2 data sets/, 'data', 'info', 'photos')
    const table = place.succeed('data', 'list')
    for (const { fingerprint, path: source } of place.list()) {
      for (const shown of [text, table]) {
        assert.ok(shown.includes(fingerprint.slice(0, 16)), shown)
        assert.ok(shown.includes(source!), shown)
      }
      assert.equal(place.info(fingerprint.slice(0, 8)).fingerprint, fingerprint)
    }
  })

  it('resolves the name of a data set of an older version, after paths', async () => {
    const place = new Place()
    const directory = await photos(path.join(place.root, 'photos'), 2)
    place.succeed('data', 'import', 'photos', '--name', 'pets')
    const [fingerprint] = readdirSync(place.datasets).filter((name) => name.length === 64)
    rmSync(path.join(place.datasets, fingerprint!, 'origin.json'), { force: true })
    assert.equal(place.info('pets').count, 4)
    await photos(path.join(place.root, 'pets'), 3)
    assert.equal(place.info('pets').count, 6)
    assert.equal(place.info(directory).fingerprint, fingerprint)
  })

  it('rejects a broken link in place of a data set of the same name', async () => {
    const place = new Place()
    await photos(path.join(place.root, 'a', 'photos'), 2)
    place.enter('a').info('photos')
    spawnSync('ln', ['-s', '/nowhere/photos', path.join(place.enter('b').at, 'photos')])
    place.reject(/photos is a link to \/nowhere\/photos, which does not exist/, 'data', 'info', 'photos')
  })
})

describe('convoy data remove', () => {
  it('accepts a name, a fingerprint, or a path that may no longer exist', async () => {
    const place = new Place()
    const directory = await photos(path.join(place.root, 'photos'), 2)
    const byPath = place.info('photos')
    assert.match(place.succeed('data', 'remove', 'photos'), /^Removed photos \([0-9a-f]{16}\) .* free again/)
    assert.deepEqual(place.list(), [])
    assert.equal(place.info('photos').fingerprint, byPath.fingerprint, 'it is imported again')
    const { bytes, fingerprint } = JSON.parse(
      place.succeed('data', 'remove', byPath.fingerprint.slice(0, 12), '--json'),
    ) as { bytes: number; fingerprint: string }
    assert.equal(fingerprint, byPath.fingerprint)
    assert.ok(bytes > 4 * 8 * 8 * 3)
    place.succeed('data', 'import', 'photos', '--name', 'pets')
    place.enter('elsewhere').succeed('data', 'remove', 'pets')
    place.enter().info('photos')
    rmSync(directory, { recursive: true })
    place.succeed('data', 'remove', './photos')
    assert.deepEqual(place.list(), [])
    assert.deepEqual(readdirSync(place.datasets), ['sources'])
    assert.deepEqual(readdirSync(path.join(place.datasets, 'sources')), [])
    place.reject(/there is no such data set or path/, 'data', 'remove', 'pets')
  })

  it('rejects a directory of which only the name was imported', async () => {
    const place = new Place()
    await photos(path.join(place.root, 'a', 'photos'), 2)
    place.enter('a').info('photos')
    await photos(path.join(place.root, 'b', 'photos'), 2)
    place.enter('b').reject(/no data set in the cache was imported from it/, 'data', 'remove', 'photos')
    assert.equal(place.list().length, 1)
  })
})

describe('the name of a data set', () => {
  const unfit: [string, RegExp][] = [
    ['', /visible character/],
    ['   ', /visible character/],
    ['x'.repeat(256), /at most 255 bytes/],
    ['ü'.repeat(128), /at most 255 bytes/],
    ['a\u001b[31mb', /control characters/],
    ['a\u200bb', /invisible/],
    [' a', /space/],
    ['a/b', /path/],
    ['..', /path/],
    ['deadbeef', /fingerprint/],
    ['cifar10', /ships with Convoy/],
    ['CIFAR10', /ships with Convoy/],
    ['cifar10-official', /convoy data fetch cifar10/],
  ]

  it('is validated before anything is stored', async () => {
    const place = new Place()
    await photos(path.join(place.root, 'photos'), 2)
    for (const [name, message] of unfit) {
      const text = place.reject(message, 'data', 'import', 'photos', `--name=${name}`)
      assert.doesNotMatch(text, /\p{Cc}(?<!\n)/u)
      assert.equal(existsSync(place.datasets), false, name)
    }
    place.succeed('data', 'import', 'photos', '--name', 'ü'.repeat(127))
    assert.equal(place.list().length, 1)
  })

  it('is found in either Unicode normalisation', async () => {
    const place = new Place()
    await photos(path.join(place.root, 'photos'), 2)
    place.succeed('data', 'import', 'photos', '--name', 'cafe\u0301')
    assert.equal(place.info('caf\u00e9').count, 4)
    assert.equal(place.info('cafe\u0301').count, 4)
    place.reject(/did you mean caf\u00e9\?/, 'data', 'info', 'CAF\u00c9')
  })

  it('is derived from a directory name that is not valid itself', async () => {
    const place = new Place()
    for (const [directory, name] of [
      ['20240101', 'data-20240101'],
      ['-photos', 'data--photos'],
      ['two\nlines\u001b[2J', 'two_lines_[2J'],
      [' ', 'data-'],
    ]) {
      await photos(path.join(place.root, directory!), 2)
      assert.equal(place.info(`./${directory}`).name, name)
    }
    assert.doesNotMatch(place.succeed('data', 'list'), /\p{Cc}(?<!\n)/u)
    assert.equal(place.enter('elsewhere').info('data-20240101').count, 4)
  })
})

describe('a damaged data set in the cache', () => {
  /** Each damage by name, with the function that causes it in an intact directory. */
  const damages: [string, (directory: string) => void][] = [
    ['an empty name', (directory) => rename(directory, '')],
    ['a name that is too long', (directory) => rename(directory, 'x'.repeat(300))],
    ['a header that is no JSON', (directory) => writeFileSync(path.join(directory, 'info.json'), '{')],
    ['no header', (directory) => rmSync(path.join(directory, 'info.json'))],
    [
      'a directory in place of the header',
      (directory) => {
        rmSync(path.join(directory, 'info.json'))
        mkdirSync(path.join(directory, 'info.json'))
      },
    ],
    [
      'a file in place of the directory',
      (directory) => {
        rmSync(directory, { recursive: true })
        writeFileSync(directory, '')
      },
    ],
  ]
  function rename(directory: string, name: string): void {
    const file = path.join(directory, 'info.json')
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), name }))
  }

  it('is listed with its remedy, and does not affect other data sets', async () => {
    const place = new Place()
    await photos(path.join(place.root, 'sound'), 2)
    place.info('sound')
    const damaged = new Map<string, string>()
    for (const [damage, cause] of damages) {
      await photos(path.join(place.root, damage), 2)
      const { fingerprint } = place.info(`./${damage}`)
      cause(path.join(place.datasets, fingerprint))
      damaged.set(damage, fingerprint)
    }
    const table = place.succeed('data', 'list')
    for (const [damage, fingerprint] of damaged)
      assert.match(table, new RegExp(`${fingerprint}.*convoy data remove ${fingerprint.slice(0, 16)}`), damage)
    assert.deepEqual(
      place.list().flatMap((entry) => (entry.damaged === undefined ? [] : [entry.fingerprint])),
      [...damaged.values()].sort(),
    )
    place.enter('elsewhere')
    const { status, stdout, stderr } = place.convoy('data', 'info', 'sound', '--json')
    assert.equal(status, 0, stderr)
    assert.equal((JSON.parse(stdout) as Info).count, 4)
    for (const fingerprint of damaged.values())
      assert.equal(stderr.split('\n').filter((line) => line.includes(fingerprint)).length, 1, stderr)
    place.succeed('data', 'verify', 'sound')

    // Half of them are removed, the others overwritten; all can be used again.
    for (const [index, [damage, fingerprint]] of [...damaged].entries()) {
      if (index % 2 === 0) place.succeed('data', 'remove', fingerprint.slice(0, 16))
      assert.equal(place.enter().info(`./${damage}`).fingerprint, fingerprint, damage)
    }
    assert.ok(place.list().every((entry) => entry.damaged === undefined))
  })

  it('is not reported for foreign files in the cache', async () => {
    const place = new Place()
    await photos(path.join(place.root, 'sound'), 2)
    const { fingerprint } = place.info('sound')
    writeFileSync(path.join(place.datasets, '.DS_Store'), 'x')
    mkdirSync(path.join(place.datasets, '@eaDir'))
    renameSync(path.join(place.datasets, 'sources'), path.join(place.datasets, 'sources-old'))
    writeFileSync(path.join(place.datasets, fingerprint, 'origin.json'), '[]')
    assert.deepEqual(
      place.list().map(({ name, damaged }) => [name, damaged]),
      [['sound', undefined]],
    )
    assert.equal(place.info('sound').fingerprint, fingerprint)
  })
})
