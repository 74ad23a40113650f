import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { ConvoyError } from './errors.js'
import { isProcessAlive } from './is-process-alive.js'
import { makeDirectory } from './make-directory.js'
import { throwShortage } from './own-shortage.js'

/** Of a process on another machine that shares the cache: nobody can tell from here whether it lives. */
const STALE_AFTER_MS = 24 * 3600 * 1000

/**
 * Makes a directory in `root`, a part of the cache, to build something in, after removing what killed processes left behind there.
 * @returns its path, for {@link publish}
 * @throws ConvoyError('environment') when nothing can be written there
 */
export async function createStaging(root: string): Promise<string> {
  try {
    await makeDirectory(root)
    for (const name of await readdir(root)) {
      if (!name.startsWith('.staging-') || !(await isAbandoned(root, name))) continue
      // In a cache that users share, another's may stay: it is in nobody's way.
      await rm(path.join(root, name), { recursive: true, force: true }).catch(() => undefined)
    }
    return await makeUniqueDirectory(path.join(root, `.staging-${os.hostname()}-${process.pid}-`))
  } catch (error) {
    throw cacheNotWritten(root, error)
  }
}

/**
 * Before work that would be lost.
 * @throws ConvoyError('environment') when nothing can be written in this part of the cache
 */
export async function checkCacheCanBeWritten(root: string): Promise<void> {
  try {
    await makeDirectory(root)
    await access(root, constants.W_OK | constants.X_OK)
  } catch (error) {
    throw cacheNotWritten(root, error)
  }
}

/** @param error of the system; others are returned as they are @throws what {@link throwShortage} throws */
export function cacheNotWritten(directory: string, error: unknown): Error {
  throwShortage(error)
  const { syscall, code } = error as NodeJS.ErrnoException
  if (syscall === undefined) return error as Error
  return new ConvoyError(
    'environment',
    `${directory} cannot be written (${code}): check its permissions, or set CONVOY_CACHE to a directory that can be written.`,
    { cause: error },
  )
}

/**
 * Makes a directory that nobody else has. Its mode follows the umask, unlike mkdtemp's: it keeps that mode when it is published.
 * @returns its path: the prefix and six hexadecimal digits
 */
export async function makeUniqueDirectory(prefix: string): Promise<string> {
  for (;;) {
    const directory = `${prefix}${randomBytes(3).toString('hex')}`
    try {
      await mkdir(directory)
      return directory
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
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
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'ENOTDIR') throw error
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
