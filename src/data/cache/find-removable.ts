import path from 'node:path'
import { ConvoyError } from '../../shared/errors.js'
import { isFingerprint, isPath } from '../dataset-names.js'
import { EMBEDDED_FINGERPRINT } from '../embedded.js'
import { findSource, several } from '../open-dataset.js'
import { recallSource } from './source-memory.js'
import type { StoredDatasets } from './stored-datasets.js'
import { listStoredDatasets } from './stored-datasets.js'

/**
 * The stored data set that a word stands for, as `--data` takes it, without importing anything. A damaged one is known by its
 * fingerprint; a path by what was imported from it, whether it is still there or not.
 * @returns its fingerprint
 * @throws ConvoyError('usage') when nothing or more than one thing is meant
 */
export async function findRemovable(source: string): Promise<string> {
  const stored = await listStoredDatasets()
  const damaged = stored.damaged.filter(
    ({ fingerprint }) => isFingerprint(source) && fingerprint.startsWith(source.toLowerCase()),
  )
  if (damaged.length === 1) return damaged[0]!.fingerprint
  // What was imported from a path that has gone since can be removed by that path.
  const imported = isPath(source) ? await importedFromPath(source, stored) : undefined
  if (imported !== undefined) return imported
  const found = await findSource(source, () => undefined, '')
  if (found.kind === 'stored') return found.dataset.info.fingerprint
  if (found.kind === 'path') {
    const fromHere = await importedFromPath(source, stored)
    if (fromHere !== undefined) return fromHere
    throw new ConvoyError(
      'usage',
      `${source} is a path here that nothing in the cache came from; name the data set by a fingerprint from \`convoy data list\`.`,
    )
  }
  if (stored.datasets.some(({ info }) => info.fingerprint === EMBEDDED_FINGERPRINT)) return EMBEDDED_FINGERPRINT
  throw new ConvoyError('usage', `${source} is not decoded on this machine: nothing is to be removed.`)
}

/** @returns the fingerprint of what was imported from that path, if anything */
async function importedFromPath(source: string, { datasets }: StoredDatasets): Promise<string | undefined> {
  const remembered = recallSource(source)?.fingerprint
  const place = path.resolve(source)
  const called = datasets.filter(({ info, origin }) => origin.path === place || info.fingerprint === remembered)
  if (called.length > 1) throw several('', source, called)
  return called[0]?.info.fingerprint
}
