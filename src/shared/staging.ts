import { randomBytes } from 'node:crypto'
import { constants, readFileSync } from 'node:fs'
import { access, mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { ConvoyError } from './errors.js'
import { makeDirectory } from './make-directory.js'
import { throwShortage } from './own-shortage.js'
import { OwnershipLock, ownerOf } from './ownership-lock.js'

const PREFIX = '.staging-'
const LOCK = '.lock'

/** Age limit of directories without a lock or locked on another machine: not every network file system shares locks between machines. */
const STALE_AFTER_MS = 24 * 3600 * 1000

/** A directory that only this process uses, to build something in. */
export interface Staging {
  /** Its path, for {@link publish}. */
  readonly directory: string
  /** Removes the directory. Other processes may remove it once this process has ended. */
  remove(): Promise<void>
}

/**
 * Makes a directory in `root`, a part of the cache, to build something in, after removing directories of killed processes.
 * @throws ConvoyError('environment') when the cache cannot be written
 */
export async function createStaging(root: string): Promise<Staging> {
  try {
    await makeDirectory(root)
    await clearLeftovers(root)
    const directory = path.join(root, `${namePrefix()}${randomBytes(6).toString('hex')}`)
    const lock = OwnershipLock.take(directory + LOCK)
    const remove = async (): Promise<void> => {
      await rm(directory, { recursive: true, force: true })
      lock?.release()
    }
    // Its mode follows the umask, unlike mkdtemp's: it keeps that mode when it is published.
    await mkdir(directory)
    return { directory, remove }
  } catch (error) {
    throw cacheNotWritten(root, error)
  }
}

/**
 * Checks that a part of the cache can be written, before work that would be lost.
 * @throws ConvoyError('environment') when it cannot be written
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
    `${directory} cannot be written (${code}): check its permissions, or set CONVOY_CACHE to a writable directory.`,
    { cause: error },
  )
}

/**
 * Makes a directory with a unique name. Its mode follows the umask, unlike mkdtemp's: it keeps that mode when it is published.
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
 * Gives a finished directory its name, in one rename. A sound directory of that name, made by a faster process, stays; a broken one is
 * replaced.
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

async function clearLeftovers(root: string): Promise<void> {
  const names = (await readdir(root)).filter((name) => name.startsWith(PREFIX))
  for (const name of new Set(names.map((found) => found.replace(/\.lock$/, '')))) {
    const directory = path.join(root, name)
    if (!(await isAbandoned(directory))) continue
    try {
      await rm(directory, { recursive: true, force: true })
      // The lock is removed last: if this process is killed in between, the next one cleans up.
      await rm(directory + LOCK, { force: true })
    } catch {
      // In a shared cache, directories of other users may stay; they do no harm.
    }
  }
}

async function isAbandoned(directory: string): Promise<boolean> {
  const owner = ownerOf(directory + LOCK)
  if (owner === 'alive' || owner === 'unknown') return false
  if (owner === 'ended' && path.basename(directory).startsWith(namePrefix())) return true
  const found = await stat(owner === 'none' ? directory : directory + LOCK).catch(() => undefined)
  return found !== undefined && Date.now() - found.mtimeMs > STALE_AFTER_MS
}

/** Identifies the machine and its boot. All containers of a machine have the same boot id. */
function namePrefix(): string {
  try {
    return `${PREFIX}${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8)}-`
  } catch {
    // Not Linux, or hidden: treat each directory as one of another machine.
    return `${PREFIX}${randomBytes(4).toString('hex')}-`
  }
}
