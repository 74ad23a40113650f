import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { ConvoyError } from '../../shared/errors.js'
import { isThere } from '../../shared/path-access.js'
import { readRegularFile } from '../../shared/read-file.js'
import type { DatasetFormat, DecodedDataset } from './dataset-format.js'
import { isGzip } from './open-archive.js'
import { checkPackedSize } from '../cache/packed-layout.js'

/** IDX, the format of MNIST and Fashion-MNIST (yann.lecun.com/exdb/mnist): big-endian header, then bytes. */
const IMAGES_MAGIC = 0x00000803
const LABELS_MAGIC = 0x00000801
/** Images and labels of each part; parts are pooled. */
const PARTS = [
  ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte'],
  ['t10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte'],
] as const
/** Of one file, as it is and unpacked. */
const MAX_BYTES = 4_000_000_000

export const idx: DatasetFormat = {
  title: 'IDX files (MNIST)',
  recognizes: (names) => names.some((name) => spellings(PARTS[0][0]).includes(name)),
  readDirectory,
}

/**
 * Reads `train-…` and, where they are there, `t10k-…` images and labels, plain or gzipped; grey, one channel.
 * @throws ConvoyError('data') naming the file and the offset
 */
function readDirectory(directory: string, name: string): DecodedDataset {
  const parts = []
  for (const [imagesName, labelsName] of PARTS) {
    if (parts.length > 0 && !find(directory, imagesName)) continue
    parts.push({ images: readImages(directory, imagesName), labels: readLabels(directory, labelsName) })
  }
  const { height, width } = parts[0]!.images
  for (const { images, labels } of parts) {
    if (images.height !== height || images.width !== width) {
      throw new ConvoyError(
        'data',
        `${images.file} holds ${images.height}x${images.width} images where the first part has ${height}x${width}.`,
      )
    }
    if (images.count !== labels.count) {
      throw new ConvoyError(
        'data',
        `${images.file} holds ${images.count} images and ${labels.file} ${labels.count} labels; they must be as many.`,
      )
    }
  }
  const count = parts.reduce((total, { images }) => total + images.count, 0)
  checkPackedSize(name, { count, height, width, channels: 1 })
  const pixels = Buffer.concat(parts.map(({ images }) => images.bytes))
  const labels = Uint16Array.from(Buffer.concat(parts.map((part) => part.labels.bytes)))
  const classes = labels.reduce((most, label) => Math.max(most, label), 0) + 1
  const seen = new Set(labels)
  for (let label = 0; label < classes; label++) {
    if (!seen.has(label))
      throw new ConvoyError(
        'data',
        `${directory}: no sample has the label ${label}, and there are labels up to ${classes - 1}.`,
      )
  }
  const classNames = Array.from({ length: classes }, (_, label) => String(label))
  return { name, count, height, width, channels: 1, classNames, pixels, labels }
}

function find(directory: string, name: string): string | undefined {
  return spellings(name)
    .map((spelling) => path.join(directory, spelling))
    .find((file) => isThere(file, 'data'))
}

/** Mirrors of MNIST write `train-images.idx3-ubyte` too. */
function spellings(name: string): string[] {
  const dotted = name.replace('-idx', '.idx')
  return [name, `${name}.gz`, dotted, `${dotted}.gz`]
}

function readBytes(
  directory: string,
  name: string,
  magic: number,
  headerBytes: number,
): { file: string; bytes: Buffer } {
  const file = find(directory, name)
  if (file === undefined) throw new ConvoyError('data', `${path.join(directory, name)} (or .gz) is missing.`)
  let bytes = readRegularFile(file, MAX_BYTES, 'data')
  try {
    // By its first bytes: a download may be unpacked on the way and keep its name.
    if (isGzip(bytes)) bytes = gunzipSync(bytes, { maxOutputLength: MAX_BYTES })
  } catch (error) {
    throw new ConvoyError('data', `${file} is not a sound gzip file: ${(error as Error).message}.`, { cause: error })
  }
  if (bytes.length < headerBytes)
    throw new ConvoyError('data', `${file} ends at offset ${bytes.length}, in its header of ${headerBytes} bytes.`)
  const found = bytes.readUInt32BE(0)
  if (found !== magic) {
    throw new ConvoyError(
      'data',
      `${file} begins with 0x${found.toString(16).padStart(8, '0')} at offset 0 where 0x${magic.toString(16).padStart(8, '0')} is expected.`,
    )
  }
  return { file, bytes }
}

function readImages(directory: string, name: string) {
  const { file, bytes } = readBytes(directory, name, IMAGES_MAGIC, 16)
  const [count, height, width] = [bytes.readUInt32BE(4), bytes.readUInt32BE(8), bytes.readUInt32BE(12)]
  checkLength(file, bytes.length, 16, count * height * width, `${count} images of ${height}x${width}`)
  return { file, count, height, width, bytes: bytes.subarray(16) }
}

function readLabels(directory: string, name: string) {
  const { file, bytes } = readBytes(directory, name, LABELS_MAGIC, 8)
  const count = bytes.readUInt32BE(4)
  checkLength(file, bytes.length, 8, count, `${count} labels`)
  return { file, count, bytes: bytes.subarray(8) }
}

function checkLength(file: string, length: number, header: number, content: number, what: string): void {
  if (content === 0) throw new ConvoyError('data', `${file} says at offset 4 that it is empty.`)
  if (length !== header + content) {
    throw new ConvoyError(
      'data',
      `${file} has ${length} bytes where its header announces ${what}, which make ${header + content}.`,
    )
  }
}
