import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { isProcessAlive } from './is-process-alive.js'

/** Of a process on another machine that shares the cache: nobody can tell from here whether it lives. */
const STALE_AFTER_MS = 24 * 3600 * 1000

/**
 * Makes a directory in `root` to build something in, after removing what killed processes left behind there.
 * @returns its path, for {@link publish}
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

/**
 * Gives a finished directory its name, in one rename. What lies there stays if it is as good, because somebody else was faster; what is
 * broken is replaced.
 */
export async function publish(staging: string, target: string, isSound: () => boolean): Promise<void> {
  try {
    await rename(staging, target)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
    if (isSound()) return
    await rm(target, { recursive: true, force: true })
    await rename(staging, target)
  }
}

async function isAbandoned(root: string, name: string): Promise<boolean> {
  const pid = name.startsWith(`.staging-${os.hostname()}-`) ? /-(\d+)-\w{6}$/.exec(name)?.[1] : undefined
  if (pid !== undefined) return !isProcessAlive(Number(pid))
  const found = await stat(path.join(root, name)).catch(() => undefined)
  return found !== undefined && Date.now() - found.mtimeMs > STALE_AFTER_MS
}
