import path from 'node:path'
import { ConvoyError } from '../../shared/errors.js'
import { isFingerprint, isPath } from '../dataset-names.js'
import { EMBEDDED_FINGERPRINT } from '../embedded.js'
import { ambiguousName, findSource } from '../open-dataset.js'
import { readImportRecord } from './import-record.js'
import type { StoredDatasets } from './stored-datasets.js'
import { listStoredDatasets } from './stored-datasets.js'

/**
 * Finds the stored data set for a word, by the rules of `--data` but without importing anything. A damaged data set is found by its
 * fingerprint; a path finds the data set imported from it, even if the path no longer exists.
 * @returns its fingerprint
 * @throws ConvoyError('usage') when the word matches no data set, or several
 */
export async function findRemovable(source: string): Promise<string> {
  const stored = await listStoredDatasets()
  const damaged = stored.damaged.filter(
    ({ fingerprint }) => isFingerprint(source) && fingerprint.startsWith(source.toLowerCase()),
  )
  if (damaged.length === 1) return damaged[0]!.fingerprint
  // A data set can be removed by the path of its import even if that path no longer exists.
  const imported = isPath(source) ? await importedFromPath(source, stored) : undefined
  if (imported !== undefined) return imported
  const found = await findSource(source, () => undefined, '')
  if (found.kind === 'stored') return found.dataset.info.fingerprint
  if (found.kind === 'path') {
    const fromHere = await importedFromPath(source, stored)
    if (fromHere !== undefined) return fromHere
    throw new ConvoyError(
      'usage',
      `${source} is a path, but no data set in the cache was imported from it; name the data set by a fingerprint from \`convoy data list\`.`,
    )
  }
  if (stored.datasets.some(({ info }) => info.fingerprint === EMBEDDED_FINGERPRINT)) return EMBEDDED_FINGERPRINT
  throw new ConvoyError('usage', `${source} is not decoded on this machine: there is nothing to remove.`)
}

/** @returns the fingerprint of the data set imported from that path, if any */
async function importedFromPath(source: string, { datasets }: StoredDatasets): Promise<string | undefined> {
  const remembered = readImportRecord(source)?.fingerprint
  const place = path.resolve(source)
  const called = datasets.filter(({ info, origin }) => origin.path === place || info.fingerprint === remembered)
  if (called.length > 1) throw ambiguousName('', source, called)
  return called[0]?.info.fingerprint
}
