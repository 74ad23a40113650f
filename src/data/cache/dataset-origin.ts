import path from 'node:path'
import writeFileAtomic from 'write-file-atomic'
import { z } from 'zod'
import { throwShortage } from '../../shared/own-shortage.js'
import { MAX_CONFIG_BYTES, readRegularFile } from '../../shared/read-file.js'
import { directoryOf } from './packed-cache.js'

/**
 * `origin.json` beside a data set's info.json: the origin of its name and of its files. It stays on this machine: it is not part of the
 * fingerprint, and workers and saved models do not get it. Data sets of older versions have none.
 */
const originSchema = z.object({
  /** True for a name from `--name` or of Convoy itself; false for a name from a path or another machine. */
  nameIsChosen: z.boolean(),
  /** Absolute path of the last import. */
  path: z.string().optional(),
  /** ISO 8601 */
  importedAt: z.string().optional(),
})
export type DatasetOrigin = Readonly<z.infer<typeof originSchema>>

/** Reads the origin. An unreadable or invalid file counts as unknown. @throws what {@link throwShortage} throws */
export function readOrigin(fingerprint: string): DatasetOrigin {
  try {
    return originSchema.parse(JSON.parse(readRegularFile(originFile(fingerprint), MAX_CONFIG_BYTES).toString()))
  } catch (error) {
    throwShortage((error as Error).cause)
    return { nameIsChosen: false }
  }
}

export async function writeOrigin(fingerprint: string, origin: DatasetOrigin): Promise<void> {
  await writeFileAtomic(originFile(fingerprint), `${JSON.stringify(origin, null, 2)}\n`)
}

function originFile(fingerprint: string): string {
  return path.join(directoryOf(fingerprint), 'origin.json')
}
