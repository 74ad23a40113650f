import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { open, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import writeFileAtomic from 'write-file-atomic'
import { z } from 'zod'
import { cacheDirectory } from '../../shared/cache-directory.js'
import { ConvoyError } from '../../shared/errors.js'
import { cannotBeRead, isMissing } from '../../shared/path-access.js'
import { MAX_JSON_BYTES, openRegularFile, readTextIfThere } from '../../shared/read-file.js'
import { cacheNotWritten, createStaging, publish } from '../../shared/staging.js'
import { formatBytes } from '../../shared/units.js'
import type { ArraysInfo, Dataset, DatasetInfo } from '../dataset.js'
import { isImages } from '../dataset.js'
import type { PackedShape } from './packed-layout.js'
import { checkPackedSize, headerOf, packedBytes, parseHeader, unpack } from './packed-layout.js'

/**
 * Decoded data sets under `<cache>/datasets/<fingerprint>/`, published by one rename:
 *
 *     info.json     DatasetInfo
 *     origin.json   origin of the name and of the files, see dataset-origin.ts
 *     packed.bin    all values, see packed-layout.ts
 *
 * The fingerprint is the sha256 of {@link headerOf} and of packed.bin.
 */
const READ_BYTES = 1 << 20
const MAX_READ_BYTES = 2 ** 30

export function datasetsDirectory(): string {
  return path.join(cacheDirectory(), 'datasets')
}

/** @throws ConvoyError('data') for anything but 64 hexadecimal digits */
export function directoryOf(fingerprint: string): string {
  if (!/^[0-9a-f]{64}$/.test(fingerprint)) {
    throw new ConvoyError('data', `${JSON.stringify(fingerprint)} is no fingerprint of 64 hexadecimal digits.`)
  }
  return path.join(datasetsDirectory(), fingerprint)
}

/** @param blocks of packed.bin, in order @returns sha256 (hex) */
export function fingerprintOf(info: PackedShape, blocks: Iterable<Uint8Array>): string {
  const hash = createHash('sha256').update(headerOf(info))
  for (const block of blocks) hash.update(block)
  return hash.digest('hex')
}

/** Bytes in blocks that Node can hash and write: it takes less than 2 GiB at once. No copy. */
export function* blocksOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += MAX_READ_BYTES) {
    yield bytes.subarray(offset, offset + MAX_READ_BYTES)
  }
}

/**
 * Whether the data set is stored, with a valid header and the right number of bytes. A damaged data set counts as missing and is
 * overwritten.
 * @throws ConvoyError('environment') when it cannot be read: it may be intact
 */
export function hasPackedDataset(fingerprint: string): boolean {
  const directory = directoryOf(fingerprint)
  try {
    const text = readTextIfThere(path.join(directory, 'info.json'), MAX_JSON_BYTES, 'environment')
    const info = text === undefined ? undefined : parseInfo(fingerprint, text)
    return info !== undefined && statSync(path.join(directory, 'packed.bin')).size === packedBytes(info)
  } catch (error) {
    // A file in place of a directory, or the reverse, is replaced.
    const { code } = (error instanceof ConvoyError ? (error.cause ?? error) : error) as NodeJS.ErrnoException
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(code!)) return false
    throw cannotBeRead(directory, error, 'environment')
  }
}

type Blocks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>

/**
 * Stores packed bytes as they arrive, checks them against the fingerprint, and publishes them.
 * @throws ConvoyError('data') when the bytes do not match the fingerprint: nothing is published;
 * ConvoyError('environment') when the cache cannot be written
 */
export async function writePackedDataset(info: DatasetInfo, blocks: Blocks): Promise<void> {
  if (hasPackedDataset(info.fingerprint)) return
  const checked = parseHeader(info)
  if (!checked.success) {
    throw new ConvoyError('data', `The header of a data set is wrong: ${z.prettifyError(checked.error)}`)
  }
  checkPackedSize(info.name, info)
  try {
    await storeBlocks(info, blocks)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOSPC' && code !== 'EDQUOT') throw cacheNotWritten(datasetsDirectory(), error)
    throw new ConvoyError(
      'environment',
      `${datasetsDirectory()} cannot be written (${code}): free ${formatBytes(packedBytes(info))}, or set CONVOY_CACHE to another directory.`,
      { cause: error },
    )
  }
}

async function storeBlocks(info: DatasetInfo, blocks: Blocks): Promise<void> {
  const staging = await createStaging(datasetsDirectory())
  try {
    const hash = createHash('sha256').update(headerOf(info))
    const file = await open(path.join(staging.directory, 'packed.bin'), 'w')
    let written = 0
    try {
      for await (const block of blocks) {
        written += block.length
        if (written > packedBytes(info)) break
        hash.update(block)
        await file.writeFile(block)
      }
      await file.sync()
    } finally {
      await file.close()
    }
    if (written !== packedBytes(info) || hash.digest('hex') !== info.fingerprint) {
      throw new ConvoyError('data', `The data set ${info.name} arrived damaged; nothing was kept. Try again.`)
    }
    await writeFile(path.join(staging.directory, 'info.json'), JSON.stringify(info, null, 2) + '\n', { flush: true })
    // Equal names mean equal bytes.
    await publish(staging.directory, directoryOf(info.fingerprint), () => hasPackedDataset(info.fingerprint))
  } finally {
    await staging.remove()
  }
}

/**
 * Loads a data set into memory and checks it against its fingerprint: a flipped bit would change the weights.
 * @returns undefined when it is not in the cache
 * @throws ConvoyError('data') when it is damaged
 */
export async function loadPackedDataset(fingerprint: string): Promise<Dataset | undefined> {
  const info = readInfo(fingerprint)
  if (info === undefined) return undefined
  const bytes = await readWhole(await packedFile(info), packedBytes(info))
  if (fingerprintOf(info, blocksOf(bytes)) !== fingerprint) throw damaged(fingerprint, OTHER_BYTES)
  const dataset = unpack(info, bytes)
  const wrong = dataset.labels.findIndex((label) => label >= info.classNames.length)
  if (wrong !== -1) {
    throw damaged(fingerprint, `sample ${wrong} has the label ${dataset.labels[wrong]} of ${info.classNames.length}`)
  }
  return dataset
}

/** readFile takes at most 2 GiB. @returns uint8, `[length]` */
async function readWhole(file: string, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length)
  const handle = await openRegularFile(file, 'environment')
  try {
    for (let offset = 0; offset < length;) {
      const { bytesRead } = await handle.read(bytes, offset, Math.min(length - offset, MAX_READ_BYTES), offset)
      if (bytesRead === 0) throw new ConvoyError('data', `${file} ends at offset ${offset} while it is read.`)
      offset += bytesRead
    }
  } finally {
    await handle.close()
  }
  return bytes
}

/** Opens the file of packed bytes and checks its length against the header. */
async function packedFile(info: DatasetInfo): Promise<string> {
  const file = path.join(directoryOf(info.fingerprint), 'packed.bin')
  const found = await stat(file).catch((error: unknown) => {
    if (isMissing(error)) throw damaged(info.fingerprint, 'packed.bin is missing')
    throw cannotBeRead(file, error, 'environment')
  })
  if (found.size !== packedBytes(info)) {
    throw damaged(info.fingerprint, `packed.bin has ${found.size} bytes where ${packedBytes(info)} are expected`)
  }
  return file
}

const OTHER_BYTES = 'packed.bin does not match the fingerprint'

function damaged(fingerprint: string, how: string): ConvoyError {
  return new ConvoyError(
    'data',
    `${directoryOf(fingerprint)} is damaged: ${how}. Remove it (convoy data remove ${fingerprint.slice(0, 16)}); the data set is decoded or imported again.`,
  )
}

/** The packed bytes, to send. @throws ConvoyError('data') when the data set is not in the cache */
export async function readPackedDataset(
  fingerprint: string,
): Promise<{ totalBytes: number; blocks: AsyncIterable<Uint8Array> }> {
  const info = readInfo(fingerprint)
  if (info === undefined)
    throw new ConvoyError('data', `The data set ${fingerprint} is not in the cache of this machine.`)
  const file = await packedFile(info)
  // Opened when the caller iterates: an error of an unread stream would end the process.
  async function* blocks(): AsyncGenerator<Uint8Array> {
    const handle = await openRegularFile(file, 'environment')
    yield* handle.createReadStream({ highWaterMark: READ_BYTES }) as AsyncIterable<Uint8Array>
  }
  return { totalBytes: packedBytes(info), blocks: blocks() }
}

/**
 * Reads a data set's bytes and checks them against its fingerprint.
 * @returns its header
 * @throws ConvoyError('data') when it is damaged or not in the cache
 */
export async function verifyPackedDataset(fingerprint: string): Promise<DatasetInfo> {
  const { blocks } = await readPackedDataset(fingerprint)
  const info = readInfo(fingerprint)!
  const hash = createHash('sha256').update(headerOf(info))
  for await (const block of blocks) hash.update(block)
  if (hash.digest('hex') !== fingerprint) {
    throw damaged(fingerprint, OTHER_BYTES)
  }
  return info
}

/** Gives a data set of the cache another name. @returns its header, renamed */
export async function renamePackedDataset(fingerprint: string, name: string): Promise<DatasetInfo> {
  const info = readInfo(fingerprint)
  if (info === undefined)
    throw new ConvoyError('data', `The data set ${fingerprint} is not in the cache of this machine.`)
  if (info.name === name) return info
  const renamed = { ...info, name }
  await writeFileAtomic(path.join(directoryOf(fingerprint), 'info.json'), JSON.stringify(renamed, null, 2) + '\n')
  return renamed
}

/** Keeps how the columns of a table became inputs, of a data set that was stored without it or from a table with other names. */
export async function keepFeatures(fingerprint: string, features: ArraysInfo['features']): Promise<void> {
  const info = readInfo(fingerprint)
  if (features === undefined || info === undefined || isImages(info)) return
  if (isDeepStrictEqual(info.features, features)) return
  const text = JSON.stringify({ ...info, features }, null, 2) + '\n'
  await writeFileAtomic(path.join(directoryOf(fingerprint), 'info.json'), text).catch((error: unknown) => {
    // In another user's cache it stays as it is.
    if (!['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code!)) throw error
  })
}

/**
 * @returns undefined when it is not in the cache
 * @throws ConvoyError('data') when info.json is there and damaged, ConvoyError('environment') when it cannot be read
 */
export function readInfo(fingerprint: string): DatasetInfo | undefined {
  const file = path.join(directoryOf(fingerprint), 'info.json')
  const text = readTextIfThere(file, MAX_JSON_BYTES, 'environment')
  if (text === undefined) return undefined
  const info = parseInfo(fingerprint, text)
  if (info === undefined) throw damaged(fingerprint, 'info.json is not a header of that data set')
  return info
}

/** @returns undefined when it is no header of this data set */
function parseInfo(fingerprint: string, text: string): DatasetInfo | undefined {
  const parsed = parseHeader(parseJson(text))
  return parsed.success && parsed.data.fingerprint === fingerprint ? parsed.data : undefined
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
