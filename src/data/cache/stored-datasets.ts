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
import { forgetSources } from './source-memory.js'

/** A data set of the cache. */
export interface StoredDataset {
  readonly info: DatasetInfo
  readonly origin: DatasetOrigin
}

/** A place of the cache that holds no data set that can be used. */
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
 * All data sets in the cache, without reading their pixels. Files of others are left alone.
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
 * Those that a word stands for: their names, a chosen one before one that came about, and (eight digits or more of) their fingerprints.
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
 * Before content is stored under a name that somebody gives.
 * @param origin of that content
 * @throws ConvoyError('usage') when another data set, of another place, was given that name
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
 * Notes down where a stored data set came from, and its name when that was given. Content that was there before keeps its name
 * otherwise. What had the name before, from the same place, is known by its fingerprint from now on.
 * @returns its header
 * @throws ConvoyError('environment') when it cannot get the name
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
    // In another user's cache, an origin that nobody chose need not be known.
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
 * Takes a data set, or what is left of one, out of the cache. It is gone at once or not at all.
 * @returns bytes that are free now
 * @throws ConvoyError('environment') when that is not allowed
 */
export async function removeStoredDataset(fingerprint: string): Promise<number> {
  const directory = directoryOf(fingerprint)
  // One without permissions can be moved neither with its content nor alone.
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
  await forgetSources(fingerprint)
  return bytes
}
