import path from 'node:path'
import { ConvoyError } from '../shared/errors.js'
import { statIfThere } from '../shared/path-access.js'
import type { ClassLayout } from './formats/class-level.js'
import type { DatasetInfo } from './dataset.js'
import { describeSamples } from './describe-dataset.js'
import { checkDatasetName, deriveDatasetName } from './dataset-names.js'
import { countClasses, describeSummary, describeWays } from './import-summary.js'
import type { ImportSummary } from './import-summary.js'
import { hasPackedDataset } from './cache/packed-cache.js'
import { readSource } from './read-source.js'
import { readImportRecord, writeImportRecord } from './cache/import-record.js'
import { readSourceState } from './cache/source-state.js'
import { storeDataset } from './cache/store-dataset.js'

export interface ImportOptions {
  /** @default the name of the same content in the cache, else the base name of the path */
  readonly name?: string
  /** Images: scale every image to this size. */
  readonly size?: { readonly height: number; readonly width: number } | undefined
  /** Images: which level of directories is the class. @default found, see docs/guides/data.md */
  readonly classLevel?: number | undefined
  /** Images: leave out images that cannot be read or decoded. @default false: they are an error */
  readonly skipBroken?: boolean | undefined
  /** Tables: what each output learns, see TableOptions. @default the last column */
  readonly targets?: readonly string[] | undefined
  /** Tables: the values of the target are classes, although they are numbers. */
  readonly classTarget?: boolean | undefined
  /** Tables: the column that has the weights of the samples. @default none */
  readonly weights?: string | undefined
  /** Asks the user for the level of the classes. Without it, an ambiguous tree is rejected. */
  readonly chooseLevel?: (layout: ClassLayout) => Promise<number>
  /** Receives a summary of the import, for machines. */
  readonly onSummary?: (summary: ImportSummary) => void
  /** Messages for people, of one or several lines. */
  readonly report: (lines: string) => void
}

/**
 * Decodes a data set into the cache: CIFAR-10's binary files (directory, tar or tar.gz), IDX files, tables, or images in one directory
 * per class (directory, tar or tar.gz).
 * @throws ConvoyError('usage') when the path holds no such data set, the name cannot be used or the level of the classes is
 * ambiguous, ConvoyError('data') for broken files
 */
export async function importDataset(source: string, options: ImportOptions): Promise<DatasetInfo> {
  return importAgain(source, options, [])
}

/** @param reasons for importing it again, for people */
async function importAgain(source: string, options: ImportOptions, reasons: readonly string[]): Promise<DatasetInfo> {
  const { name, size, classLevel, skipBroken, targets, classTarget, weights, report } = options
  if ((await statIfThere(source)) === undefined)
    throw new ConvoyError('usage', `${source}: there is no such file or directory.`)
  const label = name === undefined ? deriveDatasetName(source) : checkDatasetName(name)
  const { state, content } = await readSource(source, label, options)
  const stored = await storeDataset(content.decoded, {
    nameIsChosen: name !== undefined,
    path: path.resolve(source),
    importedAt: new Date().toISOString(),
  })
  await writeImportRecord(source, {
    state,
    fingerprint: stored.fingerprint,
    ...(size && { size }),
    ...((content.classLevel ?? classLevel) !== undefined && { classLevel: content.classLevel ?? classLevel }),
    ...(skipBroken && { skipBroken }),
    ...(targets && { targets: [...targets] }),
    ...(classTarget && { classTarget }),
    ...(weights !== undefined && { weights }),
  })
  const summary = {
    samples: describeSamples(stored),
    classes: countClasses(content.decoded),
    leftOut: content.leftOut,
    notes: [...reasons, ...content.notes],
  }
  report(describeSummary(source, summary))
  options.onSummary?.(summary)
  return stored
}

/**
 * The data set at a path, imported when it is not in the cache. A path whose files are as they were at the last import is not read
 * again; one that changed is imported in the same way as the last time.
 */
export async function importOnce(source: string, report: (lines: string) => void): Promise<string> {
  const known = readImportRecord(source)
  if (known === undefined) return (await importDataset(source, { report })).fingerprint
  const { state, fingerprint, ...ways } = known
  const isUnchanged = state === (await readSourceState(source, report)).state
  if (isUnchanged && hasPackedDataset(fingerprint)) return fingerprint
  const reasons = isUnchanged
    ? []
    : [`Its files have changed since the last import${describeWays(ways)}: imported again.`]
  return (await importAgain(source, { ...ways, report }, reasons)).fingerprint
}

/** @returns the fingerprint of the last import, if no file of the path has changed since; the data set may have been removed from the cache */
export async function unchangedImport(
  source: string,
  report: (line: string) => void = () => undefined,
): Promise<string | undefined> {
  const known = readImportRecord(source)
  return known?.state === (await readSourceState(source, report)).state ? known.fingerprint : undefined
}
