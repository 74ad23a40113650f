import assert from 'node:assert/strict'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { spawnSync } from 'node:child_process'
import { pipeline } from 'node:stream/promises'
import { after, before, describe, it } from 'node:test'
import { createGzip, gzipSync } from 'node:zlib'
import { createWriteStream } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import sharp from 'sharp'
import tar from 'tar-stream'
import { decodeImageFile } from '../../../src/data/formats/decode-images.js'
import { fetchCifar10 } from '../../../src/data/formats/fetch-cifar10.js'
import { importDataset, importOnce } from '../../../src/data/import-dataset.js'
import { openDataset, openDatasetByFingerprint } from '../../../src/data/open-dataset.js'
import {
  blocksOf,
  datasetsDirectory,
  fingerprintOf,
  hasPackedDataset,
  readPackedDataset,
  verifyPackedDataset,
  writePackedDataset,
} from '../../../src/data/cache/packed-cache.js'
import { listStoredDatasets } from '../../../src/data/cache/stored-datasets.js'
import type { ConvoyError } from '../../../src/shared/errors.js'
import { isImages } from '../../../src/data/dataset.js'
import { imagesOf } from '../../support/images-of.js'

let scratch: string
const cacheBefore = process.env['CONVOY_CACHE']
before(() => {
  scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-data-'))
  process.env['CONVOY_CACHE'] = path.join(scratch, 'cache')
})
after(() => {
  if (cacheBefore === undefined) delete process.env['CONVOY_CACHE']
  else process.env['CONVOY_CACHE'] = cacheBefore
  rmSync(scratch, { recursive: true, force: true })
})

const report = (): void => undefined
const failsWith =
  (code: string, ...words: RegExp[]) =>
  (error: ConvoyError) => {
    assert.equal(error.code, code, error.message)
    for (const word of words) assert.match(error.message, word)
    return true
  }

/** A new directory with these files. */
function directoryOf(files: Record<string, Buffer>): string {
  const directory = mkdtempSync(path.join(scratch, 'source-'))
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(directory, name)), { recursive: true })
    writeFileSync(path.join(directory, name), bytes)
  }
  return directory
}

async function image(red: number, width = 8, height = 8, format: 'png' | 'jpeg' = 'png'): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: { r: red, g: 10, b: 20 } } })
    .toFormat(format)
    .toBuffer()
}

function idx(magic: number, dimensions: number[], bytes: number[]): Buffer {
  const header = Buffer.alloc(4 + 4 * dimensions.length)
  header.writeUInt32BE(magic)
  dimensions.forEach((dimension, index) => header.writeUInt32BE(dimension, 4 + 4 * index))
  return Buffer.concat([header, Buffer.from(bytes)])
}

/** Asserts that failed imports left no partial data set. */
function assertNoPartialDataset(): void {
  const names = readdirSync(datasetsDirectory()).filter((name) => name !== 'sources')
  assert.ok(
    names.every((name) => /^[0-9a-f]{64}$/.test(name)),
    names.join(', '),
  )
}

describe('import of image folders', () => {
  it('decodes the pixels, takes classes from directories, and pools train and test', async () => {
    const source = directoryOf({
      'train/cat/a.png': await image(200),
      'train/dog/a.png': await image(100),
      'test/cat/b.png': await image(50),
      'test/dog/readme.txt': Buffer.from('no image'),
      'test/dog/b.png': await image(25),
    })
    const { fingerprint } = await importDataset(source, { name: 'pets', report })
    const dataset = imagesOf(await openDatasetByFingerprint(fingerprint))
    assert.deepEqual([dataset.count, dataset.height, dataset.width, dataset.channels], [4, 8, 8, 3])
    assert.deepEqual(dataset.classNames, ['cat', 'dog'])
    assert.deepEqual([...dataset.labels], [0, 1, 0, 1])
    assert.deepEqual([...dataset.pixels.subarray(0, 3)], [50, 10, 20])
    assert.equal((await openDataset('pets')).fingerprint, fingerprint)
    assert.equal((await openDataset(fingerprint.slice(0, 10))).fingerprint, fingerprint)
  })

  it('gives a directory and its tar.gz the same fingerprint', async () => {
    const files = { 'a/1.png': await image(1), 'b/1.png': await image(2), 'b/2.png': await image(3) }
    const fromDirectory = await importDataset(directoryOf(files), { name: 'x', report })
    const archive = path.join(scratch, 'images.tar.gz')
    const pack = tar.pack()
    for (const [name, bytes] of Object.entries(files)) pack.entry({ name }, bytes)
    pack.finalize()
    await pipeline(pack, createGzip(), createWriteStream(archive))
    assert.equal((await importDataset(archive, { report })).fingerprint, fromDirectory.fingerprint)
  })

  it('requires --size for images of mixed sizes, and scales them to it', async () => {
    const source = directoryOf({ 'a/1.png': await image(1), 'b/1.png': await image(2, 16, 12) })
    await assert.rejects(importDataset(source, { report }), failsWith('data', /b\/1\.png/, /--size/))
    const info = await importDataset(source, { report, size: { height: 10, width: 12 } })
    assert.ok(isImages(info))
    assert.deepEqual([info.height, info.width], [10, 12])
  })

  it('crops images of another ratio at the centre', async () => {
    const row = [10, 100, 200].flatMap((red) => new Array<number>(8).fill(red)).flatMap((red) => [red, 0, 0])
    const pixels = Buffer.from(new Array<number[]>(8).fill(row).flat())
    const three = await sharp(pixels, { raw: { width: 24, height: 8, channels: 3 } })
      .png()
      .toBuffer()
    const source = directoryOf({ 'a/1.png': await image(1), 'b/1.png': three })
    const { fingerprint } = await importDataset(source, { report, size: { height: 8, width: 8 } })
    const { pixels: cut } = imagesOf(await openDatasetByFingerprint(fingerprint))
    assert.deepEqual([...new Set(cut.subarray(192).filter((_, index) => index % 3 === 0))], [100])
  })

  it('keeps the pixels and labels of images in place of a broken one', async () => {
    const broken = (await image(9)).subarray(0, 40)
    const files = { 'a/1.png': broken, 'a/2.png': await image(1), 'b/1.png': await image(2), 'b/2.png': await image(3) }
    const { fingerprint } = await importDataset(directoryOf(files), { report, skipBroken: true })
    const { pixels, labels } = imagesOf(await openDatasetByFingerprint(fingerprint))
    assert.deepEqual([...labels], [0, 1, 1])
    assert.deepEqual([pixels[0], pixels[192], pixels[384]], [1, 2, 3])
  })

  it('names a broken image', async () => {
    const good = await image(1, 8, 8, 'jpeg')
    const source = directoryOf({ 'a/1.jpg': good, 'b/1.jpg': good, 'b/broken.jpg': good.subarray(0, 100) })
    await assert.rejects(importDataset(source, { report }), failsWith('data', /b\/broken\.jpg/))
    assertNoPartialDataset()
  })

  it('rejects oversized images before decoding them', async () => {
    const huge = await sharp({ create: { width: 12_000, height: 12_000, channels: 3, background: 'black' } })
      .png()
      .toBuffer()
    const source = directoryOf({ 'a/huge.png': huge, 'b/1.png': await image(1) })
    await assert.rejects(
      importDataset(source, { report, size: { height: 8, width: 8 } }),
      failsWith('data', /huge\.png/, /pixel/i),
    )
  })

  it('rejects a single class, an empty class and missing classes', async () => {
    await assert.rejects(
      importDataset(directoryOf({ 'a/1.png': await image(1) }), { report }),
      failsWith('data', /1 classes/),
    )
    const empty = directoryOf({ 'a/1.png': await image(1), 'b/1.png': await image(1) })
    mkdirSync(path.join(empty, 'c'))
    await assert.rejects(importDataset(empty, { report }), failsWith('data', /\/c is a class without images/))
    await assert.rejects(
      importDataset(directoryOf({ '1.png': await image(1) }), { report }),
      failsWith('data', /class directory/),
    )
    await assert.rejects(
      importDataset(directoryOf({ 'x.txt': Buffer.from('') }), { report }),
      failsWith('usage', /no data set/),
    )
  })

  it('follows links, and ignores hidden files', async () => {
    const source = directoryOf({
      'a/1.png': await image(11),
      'b/1.png': await image(12),
      'b/._1.png': Buffer.from('AppleDouble'),
      original: await image(13),
    })
    symlinkSync('../original', path.join(source, 'b', '2.png'))
    symlinkSync('nowhere', path.join(source, 'b', 'notes.txt'))
    const { fingerprint } = await importDataset(source, { report })
    assert.deepEqual([...(await openDatasetByFingerprint(fingerprint))!.labels], [0, 1, 1])
    symlinkSync('nowhere', path.join(source, 'b', '3.png'))
    await assert.rejects(importDataset(source, { report }), failsWith('data', /b\/3\.png cannot be read \(ENOENT\)/))
    rmSync(path.join(source, 'b', '3.png'))
    symlinkSync('a', path.join(source, 'c'))
    await assert.rejects(importDataset(source, { report }), failsWith('data', /\/c is a link to a directory/))
  })

  it('rejects a class that holds no images', async () => {
    const source = directoryOf({ 'a/1.png': await image(1), 'b/1.png': await image(1), 'c/1.bmp': Buffer.from('BM') })
    await assert.rejects(importDataset(source, { report }), failsWith('data', /\/c is a class without images/))
  })

  it('decodes the same pixels for training and prediction: grey, transparent, 16-bit, CMYK and EXIF-rotated', async () => {
    const noise = (channels: 3 | 4) =>
      sharp(Buffer.from(Array.from({ length: 64 * channels }, (_, index) => (index * 37) % 251)), {
        raw: { width: 8, height: 8, channels },
      })
    const deep = Uint16Array.from({ length: 192 }, (_, index) => index * 300)
    const variants = {
      'grey.png': noise(3).greyscale().png(),
      'transparent.png': noise(4).png(),
      'deep.png': sharp(deep, { raw: { width: 8, height: 8, channels: 3 } })
        .toColourspace('rgb16')
        .png(),
      'cmyk.jpg': noise(3).toColourspace('cmyk').jpeg(),
      'turned.jpg': noise(3).withMetadata({ orientation: 6 }).jpeg(),
    }
    for (const [name, encoded] of Object.entries(variants)) {
      const source = directoryOf({ 'a/1.png': await image(1), [`b/${name}`]: await encoded.toBuffer() })
      const { fingerprint } = await importDataset(source, { report })
      const trained = imagesOf(await openDatasetByFingerprint(fingerprint)).pixels.subarray(192)
      const shape = { height: 8, width: 8, channels: 3 }
      const predicted = await decodeImageFile(path.join(source, 'b', name), shape)
      assert.deepEqual(Buffer.from(trained), Buffer.from(predicted), name)
    }
  })

  it('applies the rotation of EXIF', async () => {
    const pixels = Buffer.from(Array.from({ length: 192 }, (_, index) => (index < 24 ? 200 : 10)))
    const lying = await sharp(pixels, { raw: { width: 8, height: 8, channels: 3 } })
      .withMetadata({ orientation: 6 })
      .webp({ lossless: true })
      .toBuffer()
    const { fingerprint } = await importDataset(directoryOf({ 'a/1.png': await image(1), 'b/1.webp': lying }), {
      report,
    })
    const upright = imagesOf(await openDatasetByFingerprint(fingerprint)).pixels.subarray(192)
    // The rotation turns the upper row into the right column.
    assert.deepEqual([...upright.filter((_, index) => index % 24 < 21)], new Array(168).fill(10))
    assert.deepEqual([...upright.filter((_, index) => index % 24 >= 21)], new Array(24).fill(200))
  })

  it('rejects a pipe without waiting for it', async () => {
    const source = directoryOf({ 'a/1.png': await image(1), 'b/1.png': await image(2) })
    spawnSync('mkfifo', [path.join(source, 'a', '2.png')])
    await assert.rejects(importDataset(source, { report }), failsWith('data', /2\.png is no regular file/))
  })

  it('rejects images that do not fit into memory before allocating it', async () => {
    const one = await image(1)
    const more = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`b/${index}.png`, one]))
    const source = directoryOf({ 'a/1.png': one, ...more })
    await assert.rejects(
      importDataset(source, { report, size: { height: 9999, width: 9999 } }),
      failsWith('data', /21 images of 9999x9999x3/, /--size/),
    )
  })

  it('names a damaged archive', async () => {
    const archive = path.join(scratch, 'damaged.tar.gz')
    writeFileSync(archive, gzipSync(Buffer.alloc(5000, 1)).subarray(0, 30))
    await assert.rejects(importDataset(archive, { report }), failsWith('data', /damaged\.tar\.gz/))
  })
})

describe('import of IDX files', () => {
  const images = idx(
    0x803,
    [4, 2, 3],
    Array.from({ length: 24 }, (_, index) => index),
  )
  const labels = idx(0x801, [4], [0, 1, 1, 0])

  it('reads them plain or gzipped, both parts pooled', async () => {
    const source = directoryOf({
      'train-images-idx3-ubyte': images,
      'train-labels-idx1-ubyte': labels,
      't10k-images-idx3-ubyte.gz': gzipSync(images),
      't10k-labels-idx1-ubyte.gz': gzipSync(idx(0x801, [4], [1, 0, 0, 0])),
    })
    const { fingerprint } = await importDataset(source, { report })
    const dataset = imagesOf(await openDatasetByFingerprint(fingerprint))
    assert.deepEqual([dataset.count, dataset.height, dataset.width, dataset.channels], [8, 2, 3, 1])
    assert.deepEqual([...dataset.labels], [0, 1, 1, 0, 1, 0, 0, 0])
    assert.deepEqual([...dataset.pixels.subarray(24, 30)], [0, 1, 2, 3, 4, 5])
  })

  const broken: [string, Record<string, Buffer>, RegExp][] = [
    [
      'wrong magic',
      { 'train-images-idx3-ubyte': idx(0x802, [4, 2, 3], []), 'train-labels-idx1-ubyte': labels },
      /0x00000802 at offset 0/,
    ],
    [
      'truncated images',
      { 'train-images-idx3-ubyte': images.subarray(0, 30), 'train-labels-idx1-ubyte': labels },
      /has 30 bytes/,
    ],
    [
      'a truncated header',
      { 'train-images-idx3-ubyte': images.subarray(0, 6), 'train-labels-idx1-ubyte': labels },
      /offset 6/,
    ],
    [
      'different counts of images and labels',
      { 'train-images-idx3-ubyte': images, 'train-labels-idx1-ubyte': idx(0x801, [3], [0, 1, 0]) },
      /4 images .* 3 labels/,
    ],
    ['missing labels', { 'train-images-idx3-ubyte': images }, /train-labels.* is missing/],
    [
      'an empty class',
      { 'train-images-idx3-ubyte': images, 'train-labels-idx1-ubyte': idx(0x801, [4], [0, 2, 2, 0]) },
      /label 1/,
    ],
    [
      'an absurd count',
      { 'train-images-idx3-ubyte': idx(0x803, [0xffffffff, 0xffff, 0xffff], []), 'train-labels-idx1-ubyte': labels },
      /announces/,
    ],
  ]
  it('rejects a directory in place of a file', async () => {
    const source = directoryOf({ 'train-images-idx3-ubyte/x': images, 'train-labels-idx1-ubyte': labels })
    await assert.rejects(importDataset(source, { report }), failsWith('data', /images-idx3-ubyte cannot be read/))
  })

  for (const [what, files, message] of broken) {
    it(`rejects ${what}`, async () => {
      await assert.rejects(importDataset(directoryOf(files), { report }), failsWith('data', message))
      assertNoPartialDataset()
    })
  }
})

describe("import of CIFAR-10's binary files", () => {
  const RECORD = 3073
  const batch = (fill: (record: number) => number): Buffer => {
    const bytes = Buffer.alloc(10_000 * RECORD)
    for (let record = 0; record < 10_000; record++) {
      bytes[record * RECORD] = fill(record)
      bytes[record * RECORD + 1] = 11
      bytes[record * RECORD + 1 + 1024] = 22
      bytes[record * RECORD + 1 + 2048] = 33
    }
    return bytes
  }
  const names = [1, 2, 3, 4, 5].map((index) => `data_batch_${index}.bin`).concat('test_batch.bin')
  const sound = batch((record) => record % 10)
  const withFile = (name: string, bytes: Buffer): string =>
    directoryOf({ ...Object.fromEntries(names.map((batchName) => [batchName, sound])), [name]: bytes })

  it('converts them to interleaved RGB', async () => {
    const ships = batch((record) => (record === 0 ? 9 : 8))
    const source = withFile('data_batch_2.bin', ships)
    writeFileSync(path.join(source, 'readme.html'), 'x')
    const { fingerprint } = await importDataset(source, { report })
    const dataset = imagesOf(await openDatasetByFingerprint(fingerprint))
    assert.deepEqual([dataset.count, dataset.classNames[3], dataset.labels[13]], [60_000, 'cat', 3])
    assert.deepEqual([...dataset.labels.subarray(9_999, 10_002), dataset.labels[20_000]], [9, 9, 8, 0])
    assert.deepEqual([...dataset.pixels.subarray(3072 * 13, 3072 * 13 + 4)], [11, 22, 33, 0])
  })
  it('names file, offset and record of a label out of range', async () => {
    const source = withFile(
      'data_batch_3.bin',
      batch((record) => (record === 7 ? 10 : 0)),
    )
    await assert.rejects(
      importDataset(source, { report }),
      failsWith('data', /data_batch_3\.bin/, new RegExp(`offset ${7 * RECORD}`), /record 7/),
    )
  })
  it('names a truncated or missing file', async () => {
    await assert.rejects(
      importDataset(withFile('test_batch.bin', sound.subarray(0, 5000)), { report }),
      failsWith('data', /test_batch\.bin has 5000 bytes/),
    )
    const missing = withFile('x', Buffer.from(''))
    rmSync(path.join(missing, 'data_batch_5.bin'))
    await assert.rejects(importDataset(missing, { report }), failsWith('data', /data_batch_5\.bin/))
  })
  it('rejects a file of another size before reading it', async () => {
    const source = withFile('data_batch_2.bin', sound)
    truncateSync(path.join(source, 'data_batch_2.bin'), 3e9)
    await assert.rejects(importDataset(source, { report }), failsWith('data', /data_batch_2\.bin has 3000000000 bytes/))
  })
  it('keeps nothing of a download with another checksum', async () => {
    const server = createServer((request, response) => {
      response.statusCode = request.url === '/gone' ? 404 : 200
      response.end('something else')
    }).listen(0, '127.0.0.1')
    try {
      await new Promise((resolve) => server.once('listening', resolve))
      const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      await assert.rejects(fetchCifar10(report, `${address}/file`), failsWith('data', /MD5/, /nothing was kept/))
      await assert.rejects(fetchCifar10(report, `${address}/gone`), failsWith('unavailable', /404/))
    } finally {
      server.close()
    }
    assertNoPartialDataset()
  })
  it('names the remedy when the download fails', async () => {
    await assert.rejects(
      fetchCifar10(report, 'http://127.0.0.1:9/cifar.tar.gz'),
      failsWith('unavailable', /cannot be downloaded/, /data import/),
    )
    assertNoPartialDataset()
  })
})

describe('packed cache', () => {
  it('detects damage, in bytes and in length', async () => {
    const source = directoryOf({ 'a/1.png': await image(71), 'b/1.png': await image(72) })
    const { fingerprint } = await importDataset(source, { name: 'damaged', report })
    await verifyPackedDataset(fingerprint)
    const file = path.join(datasetsDirectory(), fingerprint, 'packed.bin')
    const bytes = readFileSync(file)
    bytes[10] = bytes[10]! ^ 1
    writeFileSync(file, bytes)
    await assert.rejects(verifyPackedDataset(fingerprint), failsWith('data', /is damaged/))
    await assert.rejects(openDatasetByFingerprint(fingerprint), failsWith('data', /is damaged: packed\.bin/))
    truncateSync(file, 100)
    await assert.rejects(openDatasetByFingerprint(fingerprint), failsWith('data', /has 100 bytes/))
  })

  it('keeps nothing of a damaged transfer', async () => {
    const source = directoryOf({ 'a/1.png': await image(81), 'b/1.png': await image(82) })
    const info = await importDataset(source, { name: 'sent', report })
    const { totalBytes, blocks } = await readPackedDataset(info.fingerprint)
    const received: Uint8Array[] = []
    for await (const block of blocks) received.push(block)
    assert.equal(Buffer.concat(received).length, totalBytes)
    rmSync(path.join(datasetsDirectory(), info.fingerprint), { recursive: true })
    async function* damaged(): AsyncGenerator<Uint8Array> {
      yield Buffer.concat(received).fill(0, 0, 5)
    }
    async function* short(): AsyncGenerator<Uint8Array> {
      yield Buffer.concat(received).subarray(1)
    }
    async function* sound(): AsyncGenerator<Uint8Array> {
      yield* received
    }
    await assert.rejects(writePackedDataset(info, damaged()), failsWith('data', /arrived damaged/))
    await assert.rejects(writePackedDataset(info, short()), failsWith('data', /arrived damaged/))
    assertNoPartialDataset()
    await writePackedDataset(info, sound())
    await verifyPackedDataset(info.fingerprint)
  })

  it('names CONVOY_CACHE when it cannot be written', async () => {
    const source = directoryOf({ 'a/1.png': await image(83), 'b/1.png': await image(84), file: Buffer.from('x') })
    const cache = process.env['CONVOY_CACHE']
    process.env['CONVOY_CACHE'] = path.join(source, 'file')
    try {
      await assert.rejects(importDataset(source, { report }), failsWith('environment', /ENOTDIR/, /CONVOY_CACHE/))
    } finally {
      process.env['CONVOY_CACHE'] = cache
    }
  })

  it('fingerprints more bytes than Node hashes in one call', () => {
    const info = { name: 'x', count: 2 ** 31, height: 1, width: 1, channels: 1, classNames: ['a', 'b'] }
    assert.match(fingerprintOf(info, blocksOf(new Uint8Array(2 ** 31))), /^[0-9a-f]{64}$/)
  })

  it('opens a path again without decoding it until a file changes', async () => {
    const source = directoryOf({ 'a/1.png': await image(91), 'b/1.png': await image(92) })
    let lines = 0
    const count = (): void => {
      lines++
    }
    const first = await importOnce(source, count)
    assert.equal(lines, 1)
    assert.equal(await importOnce(source, count), first)
    assert.equal(lines, 1)
    writeFileSync(path.join(source, 'a', '2.png'), await image(93))
    assert.notEqual(await importOnce(source, count), first)
    assert.equal(lines, 2)
  })

  it('renames a data set that is imported under another name, and reserves cifar10', async () => {
    const source = directoryOf({ 'a/1.png': await image(101), 'b/1.png': await image(102) })
    const { fingerprint } = await importDataset(source, { name: 'first', report })
    assert.equal((await importDataset(source, { report })).name, 'first')
    assert.equal((await importDataset(source, { name: 'second', report })).name, 'second')
    assert.equal((await openDataset('second')).fingerprint, fingerprint)
    await verifyPackedDataset(fingerprint)
    await assert.rejects(importDataset(source, { name: 'cifar10', report }), failsWith('usage', /--name/))
  })

  it('opens a path in the size of its import', async () => {
    const source = directoryOf({ 'a/1.png': await image(1), 'b/1.png': await image(2, 16, 12) })
    await importDataset(source, { report, size: { height: 9, width: 9 } })
    assert.equal(imagesOf(await openDataset(source)).height, 9)
  })

  it('rejects a path in place of a fingerprint', async () => {
    assert.throws(() => hasPackedDataset('../../elsewhere'), failsWith('data', /no fingerprint/))
    const info = { name: 'x', fingerprint: '../x', count: 1, height: 1, width: 1, channels: 1, classNames: ['a', 'b'] }
    async function* nothing(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(3)
    }
    await assert.rejects(writePackedDataset(info, nothing()), failsWith('data', /no fingerprint/))
    const wrong = { ...info, fingerprint: 'a'.repeat(64), channels: 7 }
    await assert.rejects(writePackedDataset(wrong, nothing()), failsWith('data', /header/, /channels/))
  })

  it('names the directory of a damaged data set, and imports it again over the damage', async () => {
    const source = directoryOf({ 'a/1.png': await image(111), 'b/1.png': await image(112) })
    const { fingerprint } = await importDataset(source, { report })
    const directory = path.join(datasetsDirectory(), fingerprint)
    rmSync(path.join(directory, 'packed.bin'))
    await assert.rejects(readPackedDataset(fingerprint), failsWith('data', /packed\.bin is missing/))
    writeFileSync(path.join(directory, 'info.json'), '{')
    const other = await importDataset(directoryOf({ 'a/1.png': await image(113), 'b/1.png': await image(114) }), {
      report,
    })
    const { datasets, damaged } = await listStoredDatasets()
    assert.match(
      damaged.find((entry) => entry.fingerprint === fingerprint)!.reason,
      new RegExp(`${fingerprint} is damaged: info\\.json .*convoy data remove ${fingerprint.slice(0, 16)}`),
    )
    assert.ok(
      datasets.some(({ info }) => info.fingerprint === other.fingerprint),
      'other data sets stay listed',
    )
    rmSync(path.join(directory, 'info.json'))
    await importDataset(source, { report })
    await verifyPackedDataset(fingerprint)
  })

  it('rejects an unknown name', async () => {
    await assert.rejects(openDataset('nothing-of-the-kind'), failsWith('usage', /no such data set or path/, /cifar10/))
  })
})
