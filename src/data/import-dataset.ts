import { createHash } from 'node:crypto'
import { mkdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import writeFileAtomic from 'write-file-atomic'
import { z } from 'zod'
import { ConvoyError } from '../shared/errors.js'
import type { ClassLayout } from './class-level.js'
import type { DatasetInfo } from './dataset.js'
import { EMBEDDED_NAME } from './embedded.js'
import { countClasses, describeSummary, describeWays } from './import-summary.js'
import type { ImportSummary } from './import-summary.js'
import { datasetsDirectory, hasPackedDataset, renamePackedDataset } from './packed-cache.js'
import { readSource } from './read-source.js'
import { readSourceState } from './source-state.js'
import { storeDataset } from './store-dataset.js'

export interface ImportOptions {
  /** @default the name that the same content has in the cache, else the base name of the path */
  readonly name?: string
  /** Images: every one is scaled to it. */
  readonly size?: { readonly height: number; readonly width: number } | undefined
  /** Images: which level of directories is the class. @default found, see docs/data.md */
  readonly classLevel?: number | undefined
  /** Images: leaves out what cannot be read or decoded. @default false: it is refused */
  readonly skipBroken?: boolean | undefined
  /** Asks the user which level is the class; without it a tree that leaves that open is refused. */
  readonly chooseLevel?: (layout: ClassLayout) => Promise<number>
  /** Receives what was imported, for machines. */
  readonly onSummary?: (summary: ImportSummary) => void
  /** Messages for people, of one or several lines. */
  readonly report: (lines: string) => void
}

/**
 * Decodes a data set into the cache: CIFAR-10's binary files (directory, tar or tar.gz), IDX files, or images in one directory per
 * class (directory, tar or tar.gz).
 * @throws ConvoyError('usage') when nothing of that is there, the name is taken or it is open which directories are the classes,
 * ConvoyError('data') for broken files
 */
export async function importDataset(source: string, options: ImportOptions): Promise<DatasetInfo> {
  return importAgain(source, options, [])
}

/** @param reasons why it is imported again, for people */
async function importAgain(source: string, options: ImportOptions, reasons: readonly string[]): Promise<DatasetInfo> {
  const { name, size, classLevel, skipBroken, report } = options
  const found = await stat(source).catch(() => undefined)
  if (found === undefined) throw new ConvoyError('usage', `${source}: there is no such file or directory.`)
  const label = name ?? path.basename(path.resolve(source)).replace(/\.(tar|tgz|tar\.gz)$/i, '')
  if (label === EMBEDDED_NAME) {
    throw new ConvoyError(
      'usage',
      `${EMBEDDED_NAME} is the data set that ships with Convoy; choose another name with --name.`,
    )
  }
  const { state, content } = await readSource(source, label, options)
  const stored = await storeDataset(content.decoded)
  await rememberSource(source, {
    state,
    fingerprint: stored.fingerprint,
    ...(size && { size }),
    ...((content.classLevel ?? classLevel) !== undefined && { classLevel: content.classLevel ?? classLevel }),
    ...(skipBroken && { skipBroken }),
  })
  const summary = {
    classes: countClasses(content.decoded),
    leftOut: content.leftOut,
    notes: [...reasons, ...content.notes],
  }
  report(describeSummary(source, summary))
  options.onSummary?.(summary)
  return name === undefined ? stored : renamePackedDataset(stored.fingerprint, name)
}

/**
 * The data set at a path, imported when it is not in the cache. A path whose files are as they were at the last import is not read
 * again; one that changed is imported in the same way as the last time.
 */
export async function importOnce(source: string, report: (lines: string) => void): Promise<string> {
  const known = await recallSource(source)
  if (known === undefined) return (await importDataset(source, { report })).fingerprint
  const { state, fingerprint, ...ways } = known
  const isUnchanged = state === (await readSourceState(source, report)).state
  if (isUnchanged && hasPackedDataset(fingerprint)) return fingerprint
  const reasons = isUnchanged
    ? []
    : [`Its files have changed since the last import${describeWays(ways)}: imported again.`]
  return (await importAgain(source, { ...ways, report }, reasons)).fingerprint
}

/** What a path held when it was imported last. */
const sourceSchema = z.object({
  state: z.string(),
  fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
  /** The options of that import. */
  size: z.object({ height: z.int().min(1), width: z.int().min(1) }).optional(),
  classLevel: z.int().min(1).optional(),
  skipBroken: z.literal(true).optional(),
})

function sourceFile(source: string): string {
  const key = createHash('sha256').update(path.resolve(source)).digest('hex').slice(0, 32)
  return path.join(datasetsDirectory(), 'sources', `${key}.json`)
}

async function rememberSource(source: string, content: z.infer<typeof sourceSchema>): Promise<void> {
  await mkdir(path.dirname(sourceFile(source)), { recursive: true })
  await writeFileAtomic(sourceFile(source), `${JSON.stringify(content)}\n`)
}

/** Anything unreadable counts as never imported: the path is read again. */
async function recallSource(source: string): Promise<z.infer<typeof sourceSchema> | undefined> {
  try {
    return sourceSchema.parse(JSON.parse(await readFile(sourceFile(source), 'utf8')))
  } catch {
    return undefined
  }
}
