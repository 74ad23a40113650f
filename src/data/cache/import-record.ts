import { createHash } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import writeFileAtomic from 'write-file-atomic'
import { z } from 'zod'
import { makeDirectory } from '../../shared/make-directory.js'
import { throwShortage } from '../../shared/own-shortage.js'
import { MAX_CONFIG_BYTES, readRegularFile } from '../../shared/read-file.js'
import { datasetsDirectory } from './packed-cache.js'

/** The state of a path at its last import, in `<cache>/datasets/sources/`. */
const recordSchema = z.object({
  /** Changes with the files. */
  state: z.string(),
  fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
  /** The options of that import, for importing it again. */
  size: z.object({ height: z.int().min(1), width: z.int().min(1) }).optional(),
  classLevel: z.int().min(1).optional(),
  skipBroken: z.literal(true).optional(),
  targets: z.array(z.string()).optional(),
  classTarget: z.literal(true).optional(),
  weights: z.string().optional(),
})
export type ImportRecord = Readonly<z.infer<typeof recordSchema>>

function recordsDirectory(): string {
  return path.join(datasetsDirectory(), 'sources')
}

function recordFile(source: string): string {
  const key = createHash('sha256').update(path.resolve(source)).digest('hex').slice(0, 32)
  return path.join(recordsDirectory(), `${key}.json`)
}

/** Stores nothing in a read-only cache, such as another user's: the path is then read again the next time. */
export async function writeImportRecord(source: string, record: ImportRecord): Promise<void> {
  try {
    await makeDirectory(recordsDirectory())
    await writeFileAtomic(recordFile(source), `${JSON.stringify(record)}\n`)
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code!)) throw error
  }
}

/** Anything unreadable counts as never imported: the path is read again. @throws what {@link throwShortage} throws */
export function readImportRecord(source: string): ImportRecord | undefined {
  return readRecord(recordFile(source))
}

/** Forgets every path that this data set was imported from. */
export async function deleteImportRecords(fingerprint: string): Promise<void> {
  const names = await readdir(recordsDirectory()).catch(() => [])
  for (const name of names) {
    const file = path.join(recordsDirectory(), name)
    if (readRecord(file)?.fingerprint === fingerprint) await rm(file, { force: true })
  }
}

function readRecord(file: string): ImportRecord | undefined {
  try {
    return recordSchema.parse(JSON.parse(readRegularFile(file, MAX_CONFIG_BYTES).toString()))
  } catch (error) {
    throwShortage((error as Error).cause)
    return undefined
  }
}
