import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'
import { ConvoyError } from '../../shared/errors.js'
import { throwShortage } from '../../shared/own-shortage.js'
import { createStaging } from '../../shared/staging.js'
import { formatBytes } from '../../shared/units.js'
import { readCifarArchive } from './cifar-binary.js'
import type { DatasetInfo } from '../dataset.js'
import { OFFICIAL_NAME } from '../dataset-names.js'
import { datasetsDirectory } from '../cache/packed-cache.js'
import { storeDataset } from '../cache/store-dataset.js'

/** The authors' page, https://www.cs.toronto.edu/~kriz/cifar.html, states archive and MD5. */
const ADDRESS = 'https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz'
const MD5 = 'c32a1d4ab5d03f1284b67883e8d87530'
const TIMEOUT_MS = 30 * 60_000
const MAX_BYTES = 400e6

/**
 * Downloads the official CIFAR-10 and imports it as `cifar10-official`.
 * @param address another place of the same file
 * @throws ConvoyError('usage') when that is no address of the web, ConvoyError('unavailable') when it cannot be reached, ConvoyError('data') when it is not the published file
 */
export async function fetchCifar10(report: (line: string) => void, address = ADDRESS): Promise<DatasetInfo> {
  if (!URL.canParse(address) || !/^https?:/i.test(address))
    throw new ConvoyError(
      'usage',
      `--from ${address}: give an http or https address; \`convoy data import\` takes files.`,
    )
  const staging = await createStaging(datasetsDirectory())
  const archive = path.join(staging.directory, 'cifar-10-binary.tar.gz')
  try {
    report(`Downloading ${address}`)
    const md5 = await download(address, archive, report)
    if (md5 !== MD5) {
      throw new ConvoyError(
        'data',
        `${address} is not the published archive (MD5 ${md5} where ${MD5} is expected); nothing was kept. Try again.`,
      )
    }
    report('Decoding it')
    return await storeDataset(await readCifarArchive(archive, OFFICIAL_NAME), {
      nameIsChosen: true,
      importedAt: new Date().toISOString(),
    })
  } finally {
    await staging.remove()
  }
}

/** @returns the MD5 (hex) of what was written */
async function download(address: string, file: string, report: (line: string) => void): Promise<string> {
  const md5 = createHash('md5')
  let [received, reported] = [0, 0]
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    if (!response.ok || response.body === null) throw new Error(`it answers ${response.status} ${response.statusText}`)
    const body = Readable.fromWeb(response.body as ReadableStream)
    const watch = async function* (blocks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      for await (const block of blocks) {
        received += block.length
        if (received > MAX_BYTES) throw new Error('it is larger than the published archive')
        if (received - reported > 20e6) report(`${formatBytes((reported = received))} so far`)
        md5.update(block)
        yield block
      }
    }
    await pipeline(body, watch, createWriteStream(file))
  } catch (error) {
    throwShortage((error as Error).cause ?? error)
    const { message, cause } = error as Error
    const reason = cause instanceof Error ? cause.message : message
    throw new ConvoyError(
      'unavailable',
      `${address} cannot be downloaded (${reason}). Download it by other means and run \`convoy data import <file>\`; the embedded cifar10 needs no network.`,
      { cause: error },
    )
  }
  return md5.digest('hex')
}
