import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { stampOf, walkDirectory } from '../../shared/walk-directory.js'
import type { Walk } from '../../shared/walk-directory.js'

/** Version of the import rules: change it when the same files would give another data set. */
const RULES = 'classes by level'

export interface SourceState {
  /** Changes when a file is added, removed or written. Hidden and system files are ignored. */
  readonly state: string
  /** Of a directory. */
  readonly walk: Walk | undefined
}

/** The state of a path, found without reading its files. */
export async function readSourceState(source: string, report: (line: string) => void): Promise<SourceState> {
  const hash = createHash('sha256').update(`${RULES}\n`)
  const found = await stat(source, { bigint: true })
  if (!found.isDirectory()) return { state: hash.update(stampOf(found)).digest('hex'), walk: undefined }
  const walk = await walkDirectory(source, report)
  for (const { path, stamp } of walk.files) hash.update(`${path}\0${stamp}\n`)
  for (const path of walk.directories) hash.update(`${path}\0\n`)
  for (const { path, reason, detail } of walk.skipped) {
    if (reason !== 'hidden') hash.update(`${path}\0${reason}\0${detail}\n`)
  }
  return { state: hash.digest('hex'), walk }
}
