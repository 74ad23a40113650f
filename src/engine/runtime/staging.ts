import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { isProcessAlive } from '../../shared/is-process-alive.js'

/** Of an installation on another machine that shares the cache: nobody can tell from here whether it lives. */
const STALE_AFTER_MS = 24 * 3600 * 1000

/**
 * Makes a directory beside the runtimes to build one in, after removing what killed installations left behind.
 * @returns its path; a rename publishes it
 */
export async function createStaging(root: string): Promise<string> {
  await mkdir(root, { recursive: true })
  for (const name of await readdir(root)) {
    if (name.startsWith('.staging-') && (await isAbandoned(root, name))) {
      await rm(path.join(root, name), { recursive: true, force: true })
    }
  }
  return mkdtemp(path.join(root, `.staging-${os.hostname()}-${process.pid}-`))
}

async function isAbandoned(root: string, name: string): Promise<boolean> {
  const pid = name.startsWith(`.staging-${os.hostname()}-`) ? /-(\d+)-\w{6}$/.exec(name)?.[1] : undefined
  if (pid !== undefined) return !isProcessAlive(Number(pid))
  const found = await stat(path.join(root, name)).catch(() => undefined)
  return found !== undefined && Date.now() - found.mtimeMs > STALE_AFTER_MS
}
