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
const memorySchema = z.object({
  /** Changes with the files. */
  state: z.string(),
  fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
  /** The options of that import, for importing it again. */
  size: z.object({ height: z.int().min(1), width: z.int().min(1) }).optional(),
  classLevel: z.int().min(1).optional(),
  skipBroken: z.literal(true).optional(),
})
export type SourceMemory = Readonly<z.infer<typeof memorySchema>>

function memoryDirectory(): string {
  return path.join(datasetsDirectory(), 'sources')
}

function memoryFile(source: string): string {
  const key = createHash('sha256').update(path.resolve(source)).digest('hex').slice(0, 32)
  return path.join(memoryDirectory(), `${key}.json`)
}

/** Stores nothing in a read-only cache, such as another user's: the path is then read again the next time. */
export async function rememberSource(source: string, memory: SourceMemory): Promise<void> {
  try {
    await makeDirectory(memoryDirectory())
    await writeFileAtomic(memoryFile(source), `${JSON.stringify(memory)}\n`)
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code!)) throw error
  }
}

/** Anything unreadable counts as never imported: the path is read again. @throws what {@link throwShortage} throws */
export function recallSource(source: string): SourceMemory | undefined {
  return readMemory(memoryFile(source))
}

/** Forgets every path that this data set was imported from. */
export async function forgetSources(fingerprint: string): Promise<void> {
  const names = await readdir(memoryDirectory()).catch(() => [])
  for (const name of names) {
    const file = path.join(memoryDirectory(), name)
    if (readMemory(file)?.fingerprint === fingerprint) await rm(file, { force: true })
  }
}

function readMemory(file: string): SourceMemory | undefined {
  try {
    return memorySchema.parse(JSON.parse(readRegularFile(file, MAX_CONFIG_BYTES).toString()))
  } catch (error) {
    throwShortage((error as Error).cause)
    return undefined
  }
}
