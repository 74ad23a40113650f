import { lstat, readdir } from 'node:fs/promises'
import path from 'node:path'

/** Bytes of the files in a directory, or of a file. Targets of links and unreadable files are not counted. */
export async function bytesUnder(file: string): Promise<number> {
  const found = await lstat(file).catch(() => undefined)
  if (found === undefined) return 0
  if (!found.isDirectory()) return found.size
  let bytes = 0
  for (const name of await readdir(file).catch(() => [])) bytes += await bytesUnder(path.join(file, name))
  return bytes
}
