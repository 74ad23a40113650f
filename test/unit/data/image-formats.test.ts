import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { linkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import sharp from 'sharp'
import { FLOAT, ImageSources, png, SIGNED, tiff, UNSIGNED } from '../../support/image-sources.js'

let sources: ImageSources
before(() => {
  sources = new ImageSources()
})
after(() => {
  rmSync(sources.directory, { recursive: true, force: true })
})

function pack(...args: string[]): void {
  const { status, stderr } = spawnSync('tar', args, { cwd: sources.directory, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
}

const ramp = (count: number, scale: number) => Array.from({ length: count }, (_, index) => index * scale)

describe('decoding of samples', () => {
  const variants: [what: string, encoded: Buffer, message: RegExp][] = [
    ['floating-point, 0 to 1', tiff(8, 1, 32, FLOAT, Float32Array.from(ramp(64, 1 / 63))), /floating-point/],
    ['floating-point, RGB', tiff(8, 3, 32, FLOAT, Float32Array.from(ramp(192, 1 / 191))), /floating-point/],
    ['signed 32 bits', tiff(8, 1, 32, SIGNED, Int32Array.from(ramp(64, 30_000_000))), /signed 32-bit/],
    ['32 bits', tiff(8, 1, 32, UNSIGNED, Uint32Array.from(ramp(64, 60_000_000))), /32-bit integer/],
    ['signed 16 bits', tiff(8, 1, 16, SIGNED, Int16Array.from(ramp(64, 500))), /signed 16-bit/],
    ['signed 8 bits', tiff(8, 1, 8, SIGNED, Int8Array.from(ramp(64, 1))), /signed 8-bit/],
    ['five channels', tiff(8, 5, 8, UNSIGNED, Uint8Array.from(ramp(320, 1).map((value) => value % 256))), /5 channels/],
    [
      'a fourth channel other than alpha',
      tiff(8, 4, 8, UNSIGNED, Uint8Array.from(ramp(256, 1)), 0),
      /not marked as alpha/,
    ],
  ]
  variants.forEach(([what, encoded, message], index) => {
    it(`rejects unsupported samples: ${what}`, async () => {
      const root = `depth${index}`
      await sources.write({ [`${root}/a/1.png`]: 1, [`${root}/b/x.tif`]: encoded })
      const { status, stderr } = sources.convoy(['data', 'import', root])
      assert.equal(status, 2, stderr)
      assert.match(stderr, /✖ depth\d\/b\/x\.tif /)
      assert.match(stderr, message)
    })
  })

  it('takes the upper byte of 16 bits, grey or coloured, in every format', async () => {
    const deep = Uint16Array.from(ramp(64, 4 * 257))
    const grey = sharp(deep, { raw: { width: 8, height: 8, channels: 1 } }).toColourspace('grey16')
    await sources.write({
      ...{ 'deep/a/0.png': 0, 'deep/b/1.png': await grey.clone().png().toBuffer() },
      ...{
        'deep/b/2.tif': tiff(8, 1, 16, UNSIGNED, deep),
        'deep/b/3.tif': tiff(8, 1, 8, UNSIGNED, Uint8Array.from(ramp(64, 4))),
      },
    })
    const { pixels } = sources.import('deep')
    const expected = ramp(64, 4).flatMap((value) => [value, value, value])
    for (const image of [1, 2, 3]) assert.deepEqual([...pixels.subarray(192 * image, 192 * (image + 1))], expected)
  })

  it('blends images with alpha onto black, and expands palettes and one bit to the full range', async () => {
    const half = Buffer.from(Array.from({ length: 128 }, (_, index) => (index % 2 ? 128 : 200)))
    const stripes = Buffer.from(Array.from({ length: 64 }, (_, index) => (index % 2 ? 255 : 0)))
    const raw = (data: Buffer, channels: 1 | 2) => sharp(data, { raw: { width: 8, height: 8, channels } })
    await sources.write({
      ...{ 'odd/a/0.png': 0, 'odd/b/1.png': await raw(half, 2).png().toBuffer() },
      'odd/b/2.png': await raw(stripes, 1).png({ palette: true, colours: 2 }).toBuffer(),
      'odd/b/3.tif': await raw(stripes, 1).toColourspace('b-w').tiff({ bitdepth: 1 }).toBuffer(),
    })
    const { pixels } = sources.import('odd')
    assert.deepEqual([...pixels.subarray(192, 195)], [100, 100, 100])
    for (const image of [2, 3])
      assert.deepEqual([...pixels.subarray(192 * image, 192 * image + 6)], [0, 0, 0, 255, 255, 255])
  })
})

describe('files that an import leaves out', () => {
  it('are counted by reason; .jfif is imported', async () => {
    await sources.write({
      ...{
        'mix/a/1.png': 1,
        'mix/b/1.jfif': await sharp(await png(2))
          .jpeg()
          .toBuffer(),
      },
      ...{ 'mix/a/x.heic': Buffer.from('x'), 'mix/a/y.HEIC': Buffer.from('x'), 'mix/b/z.bmp': Buffer.from('BM') },
      ...{ 'mix/b/noname': await png(3), 'mix/a/readme.txt': Buffer.from('x') },
    })
    const { status, stdout, stderr } = sources.convoy(['data', 'import', 'mix', '--json'])
    assert.equal(status, 0, stderr)
    const { count, classes, leftOut } = JSON.parse(stdout) as {
      count: number
      classes: unknown
      leftOut: { reason: string; count: number }[]
    }
    assert.deepEqual(
      [count, classes],
      [
        2,
        [
          { name: 'a', samples: 1 },
          { name: 'b', samples: 1 },
        ],
      ],
    )
    assert.deepEqual(
      leftOut.map((entry) => [entry.reason.split(' ')[0], entry.count]),
      [
        ['BMP', 1],
        ['HEIC', 2],
        ['image', 1],
        ['other', 1],
      ],
    )
    assert.match(
      stderr,
      /2 HEIC files, which this build cannot decode \(convert them to JPEG or PNG\): a\/x\.heic, a\/y\.HEIC/,
    )
  })

  it('are reported also when a class has no other files', async () => {
    await sources.write({ 'iphone/a/1.png': 1, 'iphone/b/x.heic': Buffer.from('x'), 'iphone/c/1.png': 2 })
    const { status, stderr } = sources.convoy(['data', 'import', 'iphone'])
    assert.equal(status, 2)
    assert.match(stderr, /1 HEIC file.*b\/x\.heic\n✖ iphone\/b is a class without images/)
  })

  it('do not include a HEIC file named .jpg, which is rejected with its format', async () => {
    const heic = Buffer.concat([Buffer.from('\0\0\0\x18ftypheic', 'latin1'), Buffer.alloc(100)])
    await sources.write({ 'named/a/1.png': 1, 'named/b/1.png': 2, 'named/b/2.jpg': heic })
    const { status, stderr } = sources.convoy(['data', 'import', 'named'])
    assert.equal(status, 2)
    assert.match(stderr, /named\/b\/2\.jpg .*HEIC.*convert it to JPEG/)
    assert.match(sources.import('named', '--skip-broken').stderr, /1 file that cannot be decoded: b\/2\.jpg/)
  })
})

describe('import of an archive', () => {
  it('gives the fingerprint of its folder: links, hard links, long names, ./ and an outer directory', async () => {
    const long = `${'long-'.repeat(30)}.png`
    await sources.write({
      'folder/cats/1.png': 1,
      'folder/cats/2.png': 2,
      [`folder/dogs/${long}`]: 3,
      'folder/original': await png(4),
    })
    linkSync(sources.path('folder/cats/1.png'), sources.path('folder/dogs/1.png'))
    linkSync(sources.path('folder/cats/2.png'), sources.path('folder/dogs/0.png'))
    linkSync(sources.path('folder/dogs', long), sources.path('folder/cats/9.png'))
    symlinkSync('../cats/2.png', sources.path('folder/dogs/2.png'))
    symlinkSync('../original', sources.path('folder/dogs/3.png'))
    const { fingerprint, labels } = sources.import('folder')
    assert.deepEqual(labels, [0, 0, 0, 1, 1, 1, 1, 1])
    pack('-cf', 'around.tar', 'folder')
    pack('-C', 'folder', '-czf', 'dot.tar.gz', '.')
    pack('--format=posix', '-C', 'folder', '-cf', 'posix.tar', '--sort=name', '.')
    pack('--format=v7', '-C', 'folder', '--exclude=long*', '--exclude=9.png', '-cf', 'v7.tar', '.')
    for (const archive of ['around.tar', 'dot.tar.gz', 'posix.tar']) {
      assert.equal(sources.import(archive).fingerprint, fingerprint, archive)
    }
    assert.equal(sources.import('v7.tar').labels.length, 6)
  })

  it('recognises an archive by content, not by name', async () => {
    await sources.write({ 'renamed/a/1.png': 1, 'renamed/b/1.png': 2 })
    const { fingerprint } = sources.import('renamed')
    pack('-czf', 'zipped.tar', 'renamed')
    pack('-cf', 'plain.tar.gz', 'renamed')
    pack('-czf', 'download', 'renamed')
    for (const archive of ['zipped.tar', 'plain.tar.gz', 'download'])
      assert.equal(sources.import(archive).fingerprint, fingerprint)
  })

  it('rejects other archives with the command that unpacks them', async () => {
    await sources.write({
      'pack me.tar': Buffer.from('PK\x03\x04 and so on'),
      'x.tar.gz': Buffer.from('\xfd7zXZ\0', 'latin1'),
    })
    assert.match(
      sources.convoy(['data', 'import', 'pack me.tar']).stderr,
      /✖ pack me\.tar is a zip archive: unpack it \(unzip 'pack me\.tar'\)/,
    )
    assert.match(
      sources.convoy(['data', 'import', 'x.tar.gz']).stderr,
      /compressed with xz: unpack it \(tar xJf x\.tar\.gz\)/,
    )
  })

  it('recognises CIFAR-10 by its batches, not by name', () => {
    const batch = Buffer.alloc(10_000 * 3073)
    for (let record = 0; record < 10_000; record++) batch[record * 3073] = record % 10
    for (const name of ['data_batch_1', 'data_batch_2', 'data_batch_3', 'data_batch_4', 'data_batch_5', 'test_batch']) {
      writeFileSync(sources.path(`${name}.bin`), batch)
    }
    pack('-cf', 'c10.bin', ...['1', '2', '3', '4', '5'].map((index) => `data_batch_${index}.bin`), 'test_batch.bin')
    assert.equal(sources.import('c10.bin').labels.length, 60_000)
  })

  it('rejects a link out of the archive', async () => {
    await sources.write({ 'out/a/1.png': 1, 'out/b/1.png': 2, 'far.png': 3 })
    symlinkSync(sources.path('far.png'), sources.path('out/b/2.png'))
    assert.equal(sources.import('out').labels.length, 3)
    pack('-cf', 'out.tar', 'out')
    const { status, stderr } = sources.convoy(['data', 'import', 'out.tar'])
    assert.equal(status, 2)
    assert.match(stderr, /out\.tar: out\/b\/2\.png is a link out of the archive.*tar -h/)
    pack('--dereference', '-cf', 'out.tar', 'out')
    assert.equal(sources.import('out.tar').fingerprint, sources.import('out').fingerprint)
  })

  it('rejects a name that is not UTF-8, in one sentence', async () => {
    await sources.write({ 'latin/a/1.png': 1, 'latin/b/1.png': 2 })
    const bytes = Buffer.concat([Buffer.from(sources.path('latin/b/caf')), Buffer.from([0xe9]), Buffer.from('.png')])
    renameSync(sources.path('latin/b/1.png'), bytes)
    pack('-cf', 'latin.tar', 'latin')
    for (const source of ['latin', 'latin.tar']) {
      const { status, stderr } = sources.convoy(['data', 'import', source])
      assert.equal(status, 2)
      assert.match(stderr, /^✖ latin.*b\/caf\\xe9\.png.* not UTF-8; rename.*\n$/)
    }
  })
})

describe('import of images of different sizes', () => {
  it('proposes a command that works, in height x width throughout', async () => {
    await sources.write({
      'sizes of mine/a/1.png': await png(1, 12, 10),
      'sizes of mine/b/1.png': await png(2, 30, 20),
    })
    const { status, stderr } = sources.convoy(['data', 'info', './sizes of mine'])
    assert.equal(status, 2)
    assert.match(stderr, /b\/1\.png is 20x30 where a\/1\.png is 10x12 \(height x width\)/)
    const [, command] = /convoy (data import .*)\.\n/.exec(stderr)!
    assert.equal(command, `data import './sizes of mine' --size 10x12`)
    sources.import('./sizes of mine', '--size', '10x12')
    assert.equal(sources.convoy(['data', 'verify', './sizes of mine']).status, 0)
  })

  it('proposes no size that is too small or as large as a photo', async () => {
    await sources.write({ 'tiny/a/1.png': await png(1, 4, 4), 'tiny/b/1.png': await png(2, 5, 5) })
    await sources.write({ 'photos/a/1.png': await png(1, 900, 700), 'photos/b/1.png': await png(2, 700, 900) })
    assert.match(sources.convoy(['data', 'import', 'tiny']).stderr, /--size 8x8\./)
    assert.match(sources.convoy(['data', 'import', 'photos']).stderr, /--size 64x64\./)
  })

  it('recognises a gzipped IDX file by content', async () => {
    const header = (magic: number, ...sizes: number[]) => {
      const bytes = Buffer.alloc(4 + 4 * sizes.length)
      ;[magic, ...sizes].forEach((value, index) => bytes.writeUInt32BE(value, 4 * index))
      return bytes
    }
    await sources.write({
      'idx/train-images-idx3-ubyte': gzipSync(Buffer.concat([header(0x803, 2, 8, 8), Buffer.alloc(128, 7)])),
      'idx/train-labels-idx1-ubyte.gz': Buffer.concat([header(0x801, 2), Buffer.from([0, 1])]),
    })
    assert.deepEqual(sources.import('idx').labels, [0, 1])
  })
})
