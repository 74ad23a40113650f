import { chmod, lstat, readdir, rename } from 'node:fs/promises'
import path from 'node:path'
import { bytesUnder } from '../../shared/bytes-under.js'
import { ConvoyError } from '../../shared/errors.js'
import { throwShortage } from '../../shared/own-shortage.js'
import { cannotBeRead, isMissing } from '../../shared/path-access.js'
import { cacheNotWritten, createStaging } from '../../shared/staging.js'
import type { DatasetInfo } from '../dataset.js'
import { isFingerprint, sameName } from '../dataset-names.js'
import type { DatasetOrigin } from './dataset-origin.js'
import { readOrigin, writeOrigin } from './dataset-origin.js'
import { datasetsDirectory, directoryOf, readInfo, renamePackedDataset } from './packed-cache.js'
import { deleteImportRecords } from './import-record.js'

/** A data set of the cache. */
export interface StoredDataset {
  readonly info: DatasetInfo
  readonly origin: DatasetOrigin
}

/** A damaged data set of the cache. */
export interface DamagedDataset {
  readonly fingerprint: string
  /** A sentence, with the remedy. */
  readonly reason: string
}

export interface StoredDatasets {
  /** By name, then by fingerprint. */
  readonly datasets: readonly StoredDataset[]
  readonly damaged: readonly DamagedDataset[]
}

/**
 * All data sets in the cache, without reading their pixels. Other files are ignored.
 * @throws ConvoyError('environment') when the cache itself cannot be read
 */
export async function listStoredDatasets(): Promise<StoredDatasets> {
  const names = await readdir(datasetsDirectory()).catch((error: unknown) => {
    if (isMissing(error)) return []
    throw cannotBeRead(datasetsDirectory(), error, 'environment')
  })
  const datasets: StoredDataset[] = []
  const damaged: DamagedDataset[] = []
  for (const fingerprint of names.filter((name) => /^[0-9a-f]{64}$/.test(name)).sort()) {
    try {
      const info = readInfo(fingerprint)
      if (info !== undefined) datasets.push({ info, origin: readOrigin(fingerprint) })
      else
        damaged.push({
          fingerprint,
          reason: `${directoryOf(fingerprint)} is damaged: it has no info.json.${remedyFor(fingerprint)}`,
        })
    } catch (error) {
      throwShortage((error as Error).cause ?? error)
      const { code, message } = ConvoyError.from(error)
      damaged.push({ fingerprint, reason: code === 'data' ? message : `${message}${remedyFor(fingerprint)}` })
    }
  }
  datasets.sort((a, b) => (a.info.name < b.info.name ? -1 : a.info.name > b.info.name ? 1 : 0))
  return { datasets, damaged }
}

function remedyFor(fingerprint: string): string {
  return ` To remove it: convoy data remove ${fingerprint.slice(0, 16)}.`
}

/**
 * The data sets that a word names, by name (a name chosen by the user takes precedence) or by at least eight digits of the fingerprint.
 */
export function datasetsCalled(word: string, datasets: readonly StoredDataset[]): StoredDataset[] {
  const named = datasets.filter(({ info }) => sameName(info.name, word))
  const chosen = named.filter(({ origin }) => origin.nameIsChosen)
  const byFingerprint = datasets.filter(
    ({ info }) => isFingerprint(word) && info.fingerprint.startsWith(word.toLowerCase()),
  )
  return [...new Set([...(chosen.length > 0 ? chosen : named), ...byFingerprint])]
}

/**
 * Checks a name chosen by the user before content is stored under it.
 * @param origin of that content
 * @throws ConvoyError('usage') when a data set from another path was given that name
 */
export async function checkNameIsFree(name: string, fingerprint: string, origin: DatasetOrigin): Promise<void> {
  for (const owner of await ownersOf(name, fingerprint)) {
    if (owner.origin.path === origin.path) continue
    const digits = owner.info.fingerprint.slice(0, 16)
    throw new ConvoyError(
      'usage',
      `--name ${name} is the name of the data set ${digits}${owner.origin.path ? `, imported from ${owner.origin.path}` : ''}. ` +
        `Choose another name, or remove that one first: convoy data remove ${digits}.`,
    )
  }
}

/**
 * Records the origin of a stored data set, and its name if the user chose one; otherwise stored content keeps its name. An older data set
 * from the same path loses the name and keeps only its fingerprint.
 * @returns its header
 * @throws ConvoyError('environment') when the name cannot be stored
 */
export async function recordOrigin(fingerprint: string, name: string, origin: DatasetOrigin): Promise<DatasetInfo> {
  const before = readOrigin(fingerprint)
  try {
    if (origin.nameIsChosen || !before.nameIsChosen) await writeOrigin(fingerprint, origin)
    if (!origin.nameIsChosen) return readInfo(fingerprint)!
    for (const owner of await ownersOf(name, fingerprint))
      await writeOrigin(owner.info.fingerprint, { ...owner.origin, nameIsChosen: false })
    return await renamePackedDataset(fingerprint, name)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // In another user's cache, the origin may stay unrecorded if the name was not chosen.
    if (!origin.nameIsChosen && ['EACCES', 'EPERM', 'EROFS'].includes(code!)) return readInfo(fingerprint)!
    throw cacheNotWritten(directoryOf(fingerprint), error)
  }
}

/** Other data sets that were given this name. */
async function ownersOf(name: string, fingerprint: string): Promise<StoredDataset[]> {
  const { datasets } = await listStoredDatasets()
  return datasets.filter(
    ({ info, origin }) => origin.nameIsChosen && sameName(info.name, name) && info.fingerprint !== fingerprint,
  )
}

/**
 * Removes a data set, intact or damaged, from the cache, atomically.
 * @returns number of freed bytes
 * @throws ConvoyError('environment') when this user may not remove it
 */
export async function removeStoredDataset(fingerprint: string): Promise<number> {
  const directory = directoryOf(fingerprint)
  // A directory without permissions can be neither moved nor emptied.
  const found = await lstat(directory).catch(() => undefined)
  if (found?.isDirectory()) await chmod(directory, 0o700).catch(() => undefined)
  const bytes = await bytesUnder(directory)
  const staging = await createStaging(datasetsDirectory())
  try {
    await rename(directory, path.join(staging.directory, 'removed'))
    await staging.remove()
  } catch (error) {
    await staging.remove().catch(() => undefined)
    throw cacheNotWritten(directory, error)
  }
  await deleteImportRecords(fingerprint)
  return bytes
}
