import { statSync, utimesSync } from 'node:fs'
import { directoryOf } from '../data/cache/packed-cache.js'
import { storeDataset } from '../data/cache/store-dataset.js'
import { listStoredDatasets, removeStoredDataset } from '../data/cache/stored-datasets.js'
import type { DecodedArrays } from '../data/formats/dataset-format.js'

/** Name of data sets that were made of tensors. */
export const FIT_DATASET = 'fit'
/** They stay for a further training on the same tensors, and for one that goes on beside it. */
const UNUSED_MS = 24 * 60 * 60 * 1000

/** Packs tensors into the cache, unless they are there already, and removes those that no training used for a day. @returns the fingerprint */
export async function storeTensors(dataset: DecodedArrays): Promise<string> {
  const { fingerprint } = await storeDataset(dataset, { nameIsChosen: false })
  const now = new Date()
  utimesSync(directoryOf(fingerprint), now, now)
  const { datasets } = await listStoredDatasets()
  for (const { info, origin } of datasets) {
    if (info.name !== FIT_DATASET || origin.path !== undefined) continue
    const isUnused = now.getTime() - statSync(directoryOf(info.fingerprint)).mtimeMs > UNUSED_MS
    if (isUnused) await removeStoredDataset(info.fingerprint)
  }
  return fingerprint
}
