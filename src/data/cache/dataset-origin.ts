import path from 'node:path'
import writeFileAtomic from 'write-file-atomic'
import { z } from 'zod'
import { throwShortage } from '../../shared/own-shortage.js'
import { MAX_CONFIG_BYTES, readRegularFile } from '../../shared/read-file.js'
import { directoryOf } from './packed-cache.js'

/**
 * `origin.json` beside a data set's info.json: who named it and where it came from. It stays on this machine: neither the
 * fingerprint nor what workers and saved models get holds any of it. Data sets of older versions lack it.
 */
const originSchema = z.object({
  /** Given with `--name`, or Convoy's own; otherwise it is what a path, or another machine, happened to call it. */
  nameIsChosen: z.boolean(),
  /** Absolute; of the last import. */
  path: z.string().optional(),
  /** ISO 8601 */
  importedAt: z.string().optional(),
})
export type DatasetOrigin = Readonly<z.infer<typeof originSchema>>

/** What cannot be read or understood counts as nothing known. @throws what {@link throwShortage} throws */
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
