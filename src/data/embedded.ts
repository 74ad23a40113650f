import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { ConvoyError } from '../shared/errors.js'
import { packageRoot } from '../shared/package-root.js'
import { checkCacheCanBeWritten } from '../shared/staging.js'
import { EMBEDDED_NAME } from './dataset-names.js'
import { readImageArchive } from './formats/image-archive.js'
import { datasetsDirectory, hasPackedDataset } from './cache/packed-cache.js'
import { storeDataset } from './cache/store-dataset.js'

/** Fingerprint of the data set decoded by {@link ensureEmbeddedDataset}. */
export const EMBEDDED_FINGERPRINT = '92e717cb0d7787b235f05e3256299dc22211cbfca66cdbf2bbca42a07d1d8670'
const ARCHIVE = path.join(packageRoot, 'datasets', 'cifar10-jpeg.tar.gz')

export function hasEmbeddedDataset(): boolean {
  return hasPackedDataset(EMBEDDED_FINGERPRINT)
}

/**
 * Decodes the embedded CIFAR-10 into the cache unless it is stored already.
 * @param report receives progress lines
 * @returns its fingerprint
 * @throws ConvoyError('data') when the archive is damaged, or decodes to other pixels
 */
export async function ensureEmbeddedDataset(report: (line: string) => void): Promise<string> {
  if (hasEmbeddedDataset()) return EMBEDDED_FINGERPRINT
  await checkCacheCanBeWritten(datasetsDirectory())
  await verifyArchive()
  const collection = await readImageArchive(ARCHIVE)
  // Imported here: loading the image decoder takes 0.2 s, and few commands need it.
  const { decodeCollection } = await import('./formats/decode-collection.js')
  const { decoded } = await decodeCollection(collection, {
    name: EMBEDDED_NAME,
    source: ARCHIVE,
    onProgress: (done, total) => {
      if (done % 20_000 === 0) report(`Decoding ${EMBEDDED_NAME}: ${done} of ${total} images`)
    },
  })
  const { fingerprint } = await storeDataset(decoded, { nameIsChosen: true })
  if (fingerprint !== EMBEDDED_FINGERPRINT) {
    throw new ConvoyError(
      'data',
      `${ARCHIVE} decodes to other pixels (${fingerprint}) than expected (${EMBEDDED_FINGERPRINT}). ` +
        'Install the locked packages again (npm ci): the image decoder differs.',
    )
  }
  return fingerprint
}

async function verifyArchive(): Promise<void> {
  const sums = await readFile(path.join(path.dirname(ARCHIVE), 'SHA256SUMS'), 'utf8')
  const expected = sums
    .split('\n')
    .find((line) => line.endsWith(`  ${path.basename(ARCHIVE)}`))
    ?.slice(0, 64)
  const hash = createHash('sha256')
  for await (const block of createReadStream(ARCHIVE)) hash.update(block as Buffer)
  if (hash.digest('hex') !== expected) {
    throw new ConvoyError(
      'data',
      `${ARCHIVE} is damaged (its sha256 is not the one in SHA256SUMS). Restore it: git checkout datasets.`,
    )
  }
}
