import { existsSync } from 'node:fs'
import { ConvoyError } from '../shared/errors.js'
import type { Dataset } from './dataset.js'
import { EMBEDDED_NAME, ensureEmbeddedDataset } from './embedded.js'
import { listPackedDatasets, loadPackedDataset } from './packed-cache.js'

/**
 * Opens a data set into memory.
 * @param source `cifar10`, a name from `convoy data list`, (the first eight digits or more of) a fingerprint, or a path, which
 *   is imported when it was not yet
 * @param report lines for people
 * @throws ConvoyError('usage') when nothing has that name; ConvoyError('data') when a path cannot be imported
 */
export async function openDataset(source: string, report: (line: string) => void = () => undefined): Promise<Dataset> {
  return (await loadPackedDataset(await findDataset(source, report)))!
}

/** As {@link openDataset}, without loading it. @returns its fingerprint */
export async function findDataset(source: string, report: (line: string) => void): Promise<string> {
  if (source === EMBEDDED_NAME) return ensureEmbeddedDataset(report)
  const known = await listPackedDatasets()
  const matches = known.filter(
    ({ name, fingerprint }) => name === source || (source.length >= 8 && fingerprint.startsWith(source)),
  )
  if (matches.length === 1) return matches[0]!.fingerprint
  if (matches.length === 0 && existsSync(source)) {
    // With the image decoder, which takes 0.2 s to load and workers never need.
    const { importOnce } = await import('./import-dataset.js')
    return importOnce(source, report)
  }
  const names = [EMBEDDED_NAME, ...known.map(({ name }) => name)]
  throw new ConvoyError(
    'usage',
    matches.length > 1
      ? `${source} names ${matches.length} data sets; use a fingerprint from \`convoy data list\`.`
      : `${source}: there is no such data set or path; there are ${[...new Set(names)].join(', ')}.`,
  )
}

/** Opens a data set of the cache. @returns undefined when it is not there */
export async function openDatasetByFingerprint(fingerprint: string): Promise<Dataset | undefined> {
  return loadPackedDataset(fingerprint)
}
