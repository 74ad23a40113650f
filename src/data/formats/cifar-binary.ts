import { stat } from 'node:fs/promises'
import path from 'node:path'
import tar from 'tar-stream'
import { ConvoyError } from '../../shared/errors.js'
import { throwShortage } from '../../shared/own-shortage.js'
import { readRegularFile } from '../../shared/read-file.js'
import type { DatasetFormat, DecodedDataset } from './dataset-format.js'
import { archiveKind, unpackArchive } from './open-archive.js'

/** The official binary edition of CIFAR-10: one label byte and 3 planes of 32x32 bytes (red, green, blue) a record. */
const SIZE = 32
const PLANE = SIZE * SIZE
const RECORD = 1 + 3 * PLANE
const RECORDS = 10_000
const BATCHES = [
  'data_batch_1.bin',
  'data_batch_2.bin',
  'data_batch_3.bin',
  'data_batch_4.bin',
  'data_batch_5.bin',
  'test_batch.bin',
]
const CLASS_NAMES = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck']

export const cifarBinary: DatasetFormat = {
  title: "CIFAR-10's binary batches",
  recognizes: (names) => names.some((name) => BATCHES.includes(path.basename(name))),
  readDirectory,
  readArchive: readCifarArchive,
}

/**
 * Reads the six batch files from their directory.
 * @throws ConvoyError('data') naming the file and the offset
 */
async function readDirectory(directory: string, name: string): Promise<DecodedDataset> {
  const files = new Map<string, Buffer>()
  for (const batch of BATCHES) {
    const file = path.join(directory, batch)
    try {
      checkSize(directory, batch, (await stat(file)).size)
      files.set(batch, readRegularFile(file, RECORDS * RECORD, 'data'))
    } catch (error) {
      if (error instanceof ConvoyError) throw error
      throwShortage(error)
      throw new ConvoyError(
        'data',
        `${file} cannot be read (${(error as NodeJS.ErrnoException).code}); all six batches are needed.`,
      )
    }
  }
  return decodeBatches(files, directory, name)
}

/** Reads the six batch files from the official tar.gz, or from the tar inside. @throws ConvoyError('data') naming the file and the offset */
export async function readCifarArchive(archive: string, name: string): Promise<DecodedDataset> {
  const files = new Map<string, Buffer>()
  const extract = tar.extract()
  const collect = async (): Promise<void> => {
    for await (const entry of extract) {
      const batch = path.posix.basename(entry.header.name)
      if (!BATCHES.includes(batch) || (entry.header.size ?? 0) > RECORDS * RECORD) {
        entry.resume()
        continue
      }
      const blocks: Buffer[] = []
      for await (const block of entry as AsyncIterable<Buffer>) blocks.push(block)
      files.set(batch, Buffer.concat(blocks))
    }
  }
  try {
    await Promise.all([unpackArchive(archive, await archiveKind(archive), extract), collect()])
  } catch (error) {
    throwShortage(error)
    throw new ConvoyError('data', `${archive} is not a readable tar or tar.gz (${(error as Error).message}).`, {
      cause: error,
    })
  }
  return decodeBatches(files, archive, name)
}

/** Before anything is read, where the size is known. @throws ConvoyError('data') */
function checkSize(where: string, batch: string, bytes: number): void {
  if (bytes === RECORDS * RECORD) return
  throw new ConvoyError(
    'data',
    `${where}: ${batch} has ${bytes} bytes where ${RECORDS} records of ${RECORD} make ${RECORDS * RECORD}.`,
  )
}

function decodeBatches(files: ReadonlyMap<string, Buffer>, where: string, name: string): DecodedDataset {
  const count = BATCHES.length * RECORDS
  const pixels = new Uint8Array(count * 3 * PLANE)
  const labels = new Uint16Array(count)
  BATCHES.forEach((batch, batchIndex) => {
    const bytes = files.get(batch)
    if (bytes === undefined)
      throw new ConvoyError('data', `${where}: ${batch} is missing or too large; all six batches are needed.`)
    checkSize(where, batch, bytes.length)
    for (let record = 0; record < RECORDS; record++) {
      const start = record * RECORD
      const sample = batchIndex * RECORDS + record
      const label = bytes[start]!
      if (label >= CLASS_NAMES.length) {
        throw new ConvoyError(
          'data',
          `${where}: ${batch} has the label ${label} at offset ${start} (record ${record}); labels are 0 to 9.`,
        )
      }
      labels[sample] = label
      for (let pixel = 0; pixel < PLANE; pixel++) {
        for (let channel = 0; channel < 3; channel++) {
          pixels[(sample * PLANE + pixel) * 3 + channel] = bytes[start + 1 + channel * PLANE + pixel]!
        }
      }
    }
  })
  return { name, count, height: SIZE, width: SIZE, channels: 3, classNames: CLASS_NAMES, pixels, labels }
}
