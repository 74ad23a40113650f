import path from 'node:path'
import { ConvoyError } from '../shared/errors.js'
import { listed } from '../shared/log/listed.js'
import { printable } from '../shared/log/printable.js'
import { statIfThere } from '../shared/path-access.js'
import type { Dataset } from './dataset.js'
import { EMBEDDED_NAME, isFingerprint, isPath, sameName } from './dataset-names.js'
import { describeDataset, describeStored, importedFrom } from './describe-dataset.js'
import { EMBEDDED_FINGERPRINT, ensureEmbeddedDataset } from './embedded.js'
import { loadPackedDataset } from './cache/packed-cache.js'
import type { DamagedDataset, StoredDataset } from './cache/stored-datasets.js'
import { datasetsCalled, listStoredDatasets } from './cache/stored-datasets.js'

/** The data set that `--data` names. */
export type DatasetSource =
  | { readonly kind: 'embedded' }
  | { readonly kind: 'stored'; readonly dataset: StoredDataset }
  | { readonly kind: 'path' }

export interface FoundDataset {
  readonly fingerprint: string
  /** Its source, for people; may contain a path of this machine. */
  readonly from: string
}

export type OpenedDataset = FoundDataset & { readonly dataset: Dataset }

const FLAG = '--data '

/**
 * Loads a data set into memory and reports its description.
 * @param source see {@link findSource}; a path is imported if it is new or has changed
 * @param report receives lines for people
 * @throws errors of {@link findSource}; ConvoyError('data') when a path cannot be imported
 */
export async function openDataset(
  source: string | undefined,
  report: (line: string) => void = () => undefined,
): Promise<Dataset> {
  const { dataset, from } = await openFoundDataset(source, report)
  report(describeDataset(dataset, from))
  return dataset
}

/** As {@link openDataset}, but without reporting the description. @returns also the source */
export async function openFoundDataset(
  source: string | undefined,
  report: (line: string) => void,
  flag = FLAG,
): Promise<OpenedDataset> {
  const found = await findDataset(source, report, flag)
  return { ...found, dataset: (await loadPackedDataset(found.fingerprint))! }
}

/** As {@link openDataset}, without loading it. */
export async function findDataset(
  source: string | undefined,
  report: (line: string) => void,
  flag = FLAG,
): Promise<FoundDataset> {
  const found = await findSource(source, report, flag)
  switch (found.kind) {
    case 'embedded':
      return { fingerprint: await ensureEmbeddedDataset(report), from: 'part of Convoy' }
    case 'stored':
      return { fingerprint: found.dataset.info.fingerprint, from: importedFrom(found.dataset) }
    case 'path': {
      // Imported here: the image decoder takes 0.2 s to load, and workers never need it.
      const { importOnce } = await import('./import-dataset.js')
      return { fingerprint: await importOnce(source!, report), from: `from ${path.resolve(source!)}` }
    }
  }
}

/**
 * Resolves `--data`. A word means the path of that name; if there is none, a stored name or a fingerprint. If both a path and a data set with
 * a chosen name (or Convoy's own) match, the word is rejected as ambiguous.
 * @param source `cifar10`, a name from `convoy data list`, (the first eight digits or more of) a fingerprint, or a path; undefined:
 *   the embedded CIFAR-10
 * @param report receives a line about each damaged data set, which is skipped
 * @param flag the text before the source on the command line; empty when it is an argument
 * @throws ConvoyError('usage') when nothing has that name, or several things have it
 */
export async function findSource(
  source: string | undefined,
  report: (line: string) => void,
  flag = FLAG,
): Promise<DatasetSource> {
  if (source === undefined) return { kind: 'embedded' }
  if (source === '') throw new ConvoyError('usage', `${flag}"": give a name, a fingerprint or a path.`)
  const isHere = (await statIfThere(source)) !== undefined
  if (isPath(source)) {
    if (isHere) return { kind: 'path' }
    throw new ConvoyError('usage', `${flag}${source}: there is no such file or directory.`)
  }
  const { datasets, damaged } = await listStoredDatasets()
  for (const { reason } of damaged) report(`Skipped: ${reason}`)
  if (source === EMBEDDED_NAME || isEmbeddedFingerprint(source)) {
    if (isHere && !(await wasImported(source, [EMBEDDED_FINGERPRINT])))
      throw ambiguous(flag, source, 'the CIFAR-10 that ships with Convoy', EMBEDDED_FINGERPRINT)
    return { kind: 'embedded' }
  }
  const called = datasetsCalled(source, datasets)
  if (isHere) {
    const chosen = called.filter(({ info, origin }) => origin.nameIsChosen || !sameName(info.name, source))
    if (chosen.length === 0) return { kind: 'path' }
    const same = chosen.length === 1 && (await wasImported(source, [chosen[0]!.info.fingerprint]))
    if (same) return { kind: 'stored', dataset: chosen[0]! }
    throw ambiguous(flag, source, describeStored(chosen[0]!), chosen[0]!.info.fingerprint)
  }
  if (called.length === 1) return { kind: 'stored', dataset: called[0]! }
  throw called.length > 1 ? ambiguousName(flag, source, called) : unknown(flag, source, datasets, damaged)
}

function isEmbeddedFingerprint(source: string): boolean {
  return isFingerprint(source) && EMBEDDED_FINGERPRINT.startsWith(source.toLowerCase())
}

/** Whether one of these was imported from that path, and the path has not changed since. */
async function wasImported(source: string, fingerprints: readonly string[]): Promise<boolean> {
  const { unchangedImport } = await import('./import-dataset.js')
  const known = await unchangedImport(source)
  return known !== undefined && fingerprints.includes(known)
}

function ambiguous(flag: string, source: string, what: string, fingerprint: string): ConvoyError {
  // A number of digits that differs from the source: the source is also a path here.
  const digits = fingerprint.slice(0, source === fingerprint.slice(0, 16) ? 20 : 16)
  return new ConvoyError(
    'usage',
    `${flag}${source} can mean ./${source} here and ${what}. Write ./${source} for the first, ${digits} for the second.`,
  )
}

/** The error for a word that names several data sets. */
export function ambiguousName(flag: string, source: string, called: readonly StoredDataset[]): ConvoyError {
  return new ConvoyError('usage', [
    `${flag}${source} names ${called.length} data sets; use a fingerprint from \`convoy data list\`:`,
    ...called.map(describeStored),
  ])
}

function unknown(
  flag: string,
  source: string,
  datasets: readonly StoredDataset[],
  damaged: readonly DamagedDataset[],
): ConvoyError {
  const hurt = damaged.find(({ fingerprint }) => isFingerprint(source) && fingerprint.startsWith(source.toLowerCase()))
  if (hurt) return new ConvoyError('data', hurt.reason)
  const names = [...new Set([EMBEDDED_NAME, ...datasets.map(({ info }) => info.name)])]
  const alike = names.find((name) => sameName(name.toLowerCase(), source.toLowerCase()))
  return new ConvoyError(
    'usage',
    alike
      ? `${flag}${source}: there is no such data set or path; did you mean ${printable(alike)}?`
      : `${flag}${source}: there is no such data set or path; there are ${listed(names)} (convoy data list).`,
  )
}

/** Opens a data set of the cache. @returns undefined when it is not stored */
export async function openDatasetByFingerprint(fingerprint: string): Promise<Dataset | undefined> {
  return loadPackedDataset(fingerprint)
}
