import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import sharp from 'sharp'
import { FLOAT, ImageSources, png, tiff } from '../../support/image-sources.js'

interface Predicted {
  predictions: { file: string }[]
  unreadable: { file: string; reason: string }[]
  leftOut: { reason: string; count: number; examples: string[] }[]
}

let sources: ImageSources
let run: string
before(async () => {
  sources = new ImageSources()
  const side = (red: number) => png(red, 32, 32)
  const files: Record<string, Buffer> = {}
  for (let index = 0; index < 20; index++) files[`model/${index % 2 ? 'a' : 'b'}/${index}.png`] = await side(10 * index)
  await sources.write(files)
  run = sources.train('model')
})
after(() => {
  rmSync(sources.directory, { recursive: true, force: true })
})

/** Links that lead back: to the directory itself, to its parents and to the root of the file system. */
function addLoops(root: string): void {
  symlinkSync('.', sources.path(root, 'self'))
  symlinkSync('..', sources.path(root, 'cats', 'up'))
  symlinkSync('..', sources.path(root, 'dogs', 'up'))
  symlinkSync('..', sources.path(root, 'out'))
  symlinkSync('/', sources.path(root, 'everything'))
}

function predict(...images: string[]): Predicted & { status: number | null; stderr: string } {
  const { status, stdout, stderr } = sources.convoy(['predict', run, ...images, '--json', '--device', 'cpu'])
  return { ...(JSON.parse(stdout || '{}') as Predicted), status, stderr }
}

describe('links to a parent directory', () => {
  it('are skipped at import, so that it ends and repeats no image', async () => {
    await sources.write({ 'loops/cats/1.png': 1, 'loops/cats/2.png': 2, 'loops/dogs/1.png': 3, 'loops/dogs/2.png': 4 })
    addLoops('loops')
    const { classNames, labels, stderr } = sources.import('loops')
    assert.deepEqual(
      [classNames, labels],
      [
        ['cats', 'dogs'],
        [0, 0, 1, 1],
      ],
    )
    assert.match(stderr, /5 links that lead back/)
    assert.equal(sources.opened('./loops').count, 4)
  })

  it('do not repeat images in predict', async () => {
    await sources.write({ 'again/cats/1.png': 1, 'again/dogs/1.png': 2, 'again/3.png': 3 })
    addLoops('again')
    const { predictions, unreadable, leftOut, stderr } = predict('again')
    assert.deepEqual(
      predictions.map(({ file }) => file),
      ['again/3.png', 'again/cats/1.png', 'again/dogs/1.png'],
      stderr,
    )
    assert.deepEqual([unreadable, leftOut.map(({ count }) => count)], [[], [5]])
  })

  it('give a folder and its tar one fingerprint', async () => {
    await sources.write({ 'packed/cats/1.png': 1, 'packed/dogs/1.png': 2 })
    addLoops('packed')
    spawnSync('tar', ['-cf', 'packed.tar', 'packed'], { cwd: sources.directory })
    assert.equal(sources.import('packed.tar').fingerprint, sources.import('packed').fingerprint)
  })
})

describe('links to directories elsewhere', () => {
  it('are followed, and rejected when read under two names', async () => {
    await sources.write({ 'elsewhere/cats/1.png': 1, 'elsewhere/cats/2.png': 2, 'linked/dogs/1.png': 3 })
    symlinkSync(sources.path('elsewhere/cats'), sources.path('linked/cats'))
    assert.deepEqual(sources.import('linked').labels, [0, 0, 1])
    await sources.write({ 'elsewhere/cats/3.png': 4 })
    assert.equal(sources.opened('./linked').count, 4)
    symlinkSync('../elsewhere/cats', sources.path('linked/more'))
    const { status, stderr } = sources.convoy(['data', 'import', 'linked'])
    assert.equal(status, 2)
    assert.match(stderr, /linked\/more is a link to a directory that is read under another name too/)
  })
})

describe('predict', () => {
  it('leaves out hidden and system files, counts undecodable ones, and continues after broken ones', async () => {
    await sources.write({
      ...{
        'mess/1.png': 1,
        'mess/._1.png': Buffer.from('AppleDouble'),
        'mess/@eaDir/1.png': 2,
        'mess/a.heic': Buffer.from('x'),
      },
      ...{
        'mess/float.tif': tiff(8, 1, 32, FLOAT, new Float32Array(64)),
        'mess/broken.jpg': Buffer.from('x'),
        'mess/z.jfif': await sharp(await png(9))
          .jpeg()
          .toBuffer(),
      },
    })
    spawnSync('mkfifo', [sources.path('mess/pipe.png')])
    renameSync(
      sources.path('mess/a.heic'),
      Buffer.concat([Buffer.from(sources.path('mess/')), Buffer.from([0xe9]), Buffer.from('.heic')]),
    )
    await sources.write({ 'mess/b.heic': Buffer.from('x') })
    const { status, predictions, unreadable, leftOut, stderr } = predict('mess')
    assert.equal(status, 1)
    assert.deepEqual(
      predictions.map(({ file }) => file),
      ['mess/1.png', 'mess/z.jfif'],
    )
    assert.deepEqual(
      unreadable.map(({ file }) => file),
      ['mess/pipe.png', 'mess/broken.jpg', 'mess/float.tif'],
    )
    assert.match(stderr, /float\.tif has floating-point samples/)
    assert.deepEqual(
      leftOut.map(({ reason, count }) => [reason.split(' ')[0], count]),
      [
        ['hidden', 2],
        ['name', 1],
        ['HEIC', 1],
      ],
    )
    assert.match(stderr, /Left out: 1 HEIC file, which this build cannot decode/)
  })

  it('never opens a pipe or a device', () => {
    spawnSync('mkfifo', [sources.path('pipe.png')])
    for (const file of ['pipe.png', '/dev/zero']) {
      const { status, unreadable } = predict(file)
      assert.equal(status, 1)
      assert.match(unreadable[0]!.reason, /not a regular file/)
    }
  })

  it('reports why a directory has no images to classify', async () => {
    await sources.write({ 'phone/a.heic': Buffer.from('x') })
    const { status, stderr } = predict('phone')
    assert.equal(status, 2)
    assert.match(stderr, /no images .*1 HEIC file/)
  })
})

describe('unreadable files and directories', () => {
  const asOtherUser = { skip: process.getuid?.() !== 0 && 'only root can become another user' }
  it('are rejected at import, or counted and left out with --skip-broken', asOtherUser, async () => {
    await sources.write({
      'locked/a/1.png': 1,
      'locked/a/2.png': 2,
      'locked/b/1.png': 3,
      'locked/c/1.png': 4,
      'locked/b/sub/1.png': 5,
    })
    const otherUser = { uid: 65534, gid: 65534 }
    for (const directory of ['.', 'cache']) chmodSync(sources.path(directory), 0o777)
    mkdirSync(sources.path('cache/datasets'), { recursive: true })
    const open = (directory: string): void => {
      chmodSync(directory, 0o777)
      for (const entry of readdirSync(directory, { withFileTypes: true }))
        if (entry.isDirectory()) open(`${directory}/${entry.name}`)
    }
    open(sources.path('cache/datasets'))
    chmodSync(sources.path('locked/a/2.png'), 0)
    chmodSync(sources.path('locked/b/sub'), 0)
    const rejected = sources.convoy(['data', 'import', 'locked'], otherUser)
    assert.equal(rejected.status, 2, rejected.stderr)
    assert.match(rejected.stderr, /✖ locked\/b\/sub cannot be read \(EACCES\).*--skip-broken/)
    const { status, stderr } = sources.convoy(['data', 'import', 'locked', '--skip-broken'], otherUser)
    assert.equal(status, 0, stderr)
    assert.match(stderr, /a \(1\), b \(1\), c \(1\)/)
    assert.match(stderr, /2 files or directories that cannot be read: b\/sub, a\/2\.png/)
  })
})
