import { createHash } from 'node:crypto'
import type { Dataset, DatasetInfo } from './dataset.js'
import { headerOf, writePackedDataset } from './packed-cache.js'

/** Packs a decoded data set into the cache. @returns its header, fingerprint included */
export async function storeDataset(decoded: Omit<Dataset, 'fingerprint'>): Promise<DatasetInfo> {
  const { pixels, labels, ...header } = decoded
  const labelBytes = new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength)
  const fingerprint = createHash('sha256').update(headerOf(header)).update(labelBytes).update(pixels).digest('hex')
  const info = { ...header, fingerprint }
  async function* blocks(): AsyncGenerator<Uint8Array> {
    yield labelBytes
    yield pixels
  }
  await writePackedDataset(info, blocks())
  return info
}
