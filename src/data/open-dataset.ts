import { ConvoyError } from '../shared/errors.js'
import type { Dataset } from './dataset.js'
import { EMBEDDED_NAME, ensureEmbeddedDataset } from './embedded.js'
import { listPackedDatasets, loadPackedDataset } from './packed-cache.js'

/**
 * Opens a data set into memory.
 * @param source `cifar10`, a name from `convoy data list`, or (the first eight digits or more of) a fingerprint
 * @throws ConvoyError('usage') when nothing has that name
 */
export async function openDataset(source: string): Promise<Dataset> {
  if (source === EMBEDDED_NAME) return (await loadPackedDataset(await ensureEmbeddedDataset(() => undefined)))!
  const known = await listPackedDatasets()
  const matches = known.filter(
    ({ name, fingerprint }) => name === source || (source.length >= 8 && fingerprint.startsWith(source)),
  )
  if (matches.length === 1) return (await loadPackedDataset(matches[0]!.fingerprint))!
  const names = [EMBEDDED_NAME, ...known.map(({ name }) => name)]
  throw new ConvoyError(
    'usage',
    matches.length > 1
      ? `--data ${source} names ${matches.length} data sets; use a fingerprint from \`convoy data list\`.`
      : `--data ${source}: no such data set; there are ${[...new Set(names)].join(', ')}.`,
  )
}

/** Opens a data set of the cache. @returns undefined when it is not there */
export async function openDatasetByFingerprint(fingerprint: string): Promise<Dataset | undefined> {
  return loadPackedDataset(fingerprint)
}
