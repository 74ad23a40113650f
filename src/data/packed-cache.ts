import { createHash } from 'node:crypto'
import { createReadStream, existsSync, mkdtempSync } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { cacheDirectory } from '../shared/cache-directory.js'
import { ConvoyError } from '../shared/errors.js'
import type { Dataset, DatasetInfo } from './dataset.js'

/**
 * Decoded data sets under `<cache>/datasets/<fingerprint>/`, published by one rename:
 *
 *     info.json     DatasetInfo
 *     packed.bin    [ labels: uint16 little-endian, count | pixels: uint8, count · height · width · channels ]
 *
 * The fingerprint is the sha256 of {@link headerOf} and of packed.bin.
 */
const STALE_AFTER_MS = 24 * 3600 * 1000
const READ_BYTES = 1 << 20

export function datasetsDirectory(): string {
  return path.join(cacheDirectory(), 'datasets')
}

function directoryOf(fingerprint: string): string {
  return path.join(datasetsDirectory(), fingerprint)
}

/** What the fingerprint covers besides the packed bytes: shape and classes, not the name. */
export function headerOf({
  count,
  height,
  width,
  channels,
  classNames,
}: Omit<DatasetInfo, 'fingerprint' | 'name'>): string {
  return JSON.stringify({ count, height, width, channels, classNames }) + '\n'
}

export function packedBytes({ count, height, width, channels }: DatasetInfo): number {
  return count * (2 + height * width * channels)
}

export function hasPackedDataset(fingerprint: string): boolean {
  return existsSync(path.join(directoryOf(fingerprint), 'info.json'))
}

/**
 * Stores packed bytes as they come, checks them against the fingerprint, and publishes them.
 * @throws ConvoyError('data') when the bytes are not what the fingerprint names: nothing is published
 */
export async function writePackedDataset(info: DatasetInfo, blocks: AsyncIterable<Uint8Array>): Promise<void> {
  if (hasPackedDataset(info.fingerprint)) return
  await mkdir(datasetsDirectory(), { recursive: true })
  await removeStaleStaging()
  const staging = mkdtempSync(path.join(datasetsDirectory(), '.staging-'))
  try {
    const hash = createHash('sha256').update(headerOf(info))
    const file = await open(path.join(staging, 'packed.bin'), 'w')
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
    await writeFile(path.join(staging, 'info.json'), JSON.stringify(info, null, 2) + '\n')
    await publish(staging, directoryOf(info.fingerprint))
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

/** Loads a data set into memory: one read. @returns undefined when it is not in the cache */
export async function loadPackedDataset(fingerprint: string): Promise<Dataset | undefined> {
  const info = await readInfo(fingerprint)
  if (info === undefined) return undefined
  const bytes = await readFile(path.join(directoryOf(fingerprint), 'packed.bin'))
  if (bytes.length !== packedBytes(info)) {
    throw new ConvoyError(
      'data',
      `${path.join(directoryOf(fingerprint), 'packed.bin')} has ${bytes.length} bytes where ${packedBytes(info)} are expected. Delete that directory and start again.`,
    )
  }
  // The labels lie at the start of the file, so that they are aligned.
  const labels = new Uint16Array(bytes.buffer, bytes.byteOffset, info.count)
  return { ...info, labels, pixels: bytes.subarray(info.count * 2) }
}

/** The packed bytes, to send. @throws ConvoyError('data') when the data set is not in the cache */
export async function readPackedDataset(
  fingerprint: string,
): Promise<{ totalBytes: number; blocks: AsyncIterable<Uint8Array> }> {
  const info = await readInfo(fingerprint)
  if (info === undefined)
    throw new ConvoyError('data', `The data set ${fingerprint} is not in the cache of this machine.`)
  const file = path.join(directoryOf(fingerprint), 'packed.bin')
  return { totalBytes: packedBytes(info), blocks: createReadStream(file, { highWaterMark: READ_BYTES }) }
}

/**
 * Reads a data set's bytes again and compares them with its fingerprint.
 * @throws ConvoyError('data') when it is damaged or not in the cache
 */
export async function verifyPackedDataset(fingerprint: string): Promise<void> {
  const info = await readInfo(fingerprint)
  const { blocks } = await readPackedDataset(fingerprint)
  const hash = createHash('sha256').update(headerOf(info!))
  for await (const block of blocks) hash.update(block)
  if (hash.digest('hex') !== fingerprint) {
    throw new ConvoyError(
      'data',
      `${path.join(directoryOf(fingerprint), 'packed.bin')} is damaged: its bytes are not those of ${info!.name}. Delete that directory; the data set is made or imported again.`,
    )
  }
}

/** Headers of all data sets in the cache, by name. */
export async function listPackedDatasets(): Promise<DatasetInfo[]> {
  const names = await readdir(datasetsDirectory()).catch(() => [])
  const infos = await Promise.all(names.filter((name) => /^[0-9a-f]{64}$/.test(name)).map(readInfo))
  return infos.filter((info) => info !== undefined).sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function readInfo(fingerprint: string): Promise<DatasetInfo | undefined> {
  const text = await readFile(path.join(directoryOf(fingerprint), 'info.json'), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : (JSON.parse(text) as DatasetInfo)
}

async function publish(staging: string, target: string): Promise<void> {
  try {
    await rename(staging, target)
  } catch (error) {
    // Somebody else was faster: equal names mean equal bytes.
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
  }
}

/** What a killed import left behind. */
async function removeStaleStaging(): Promise<void> {
  for (const name of await readdir(datasetsDirectory())) {
    if (!name.startsWith('.staging-')) continue
    const directory = path.join(datasetsDirectory(), name)
    const { mtimeMs } = await stat(directory)
    if (Date.now() - mtimeMs > STALE_AFTER_MS) await rm(directory, { recursive: true, force: true })
  }
}
