import { randomBytes } from 'node:crypto'
import { rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'

/**
 * Writes a file atomically in a directory that another user may have prepared. A link of that name is replaced, not followed: it may point
 * to any file of this user.
 * @throws Error of the file system
 */
export async function replaceFile(file: string, content: string): Promise<void> {
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}-${randomBytes(8).toString('hex')}`)
  try {
    await writeFile(temporary, content, { flag: 'wx', flush: true })
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
