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

/** What has no lock, or was locked on another machine: not every network file system tells one machine of another's locks. */
const STALE_AFTER_MS = 24 * 3600 * 1000

/** A directory that only this process uses, to build something in. */
export interface Staging {
  /** Its path, for {@link publish}. */
  readonly directory: string
  /** Removes what is left there. Anybody may do so once this process has ended. */
  remove(): Promise<void>
}

/**
 * Makes a directory in `root`, a part of the cache, to build something in, after removing what killed processes left behind there.
 * @throws ConvoyError('environment') when nothing can be written there
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

async function clearLeftovers(root: string): Promise<void> {
  const names = (await readdir(root)).filter((name) => name.startsWith(PREFIX))
  for (const name of new Set(names.map((found) => found.replace(/\.lock$/, '')))) {
    const directory = path.join(root, name)
    if (!(await isAbandoned(directory))) continue
    try {
      await rm(directory, { recursive: true, force: true })
      // Last: whoever is killed in between leaves it to the next.
      await rm(directory + LOCK, { force: true })
    } catch {
      // In a cache that users share, another's may stay: it is in nobody's way.
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

/** Says on which machine, and since which start of it: all containers there have this number in common. */
function namePrefix(): string {
  try {
    return `${PREFIX}${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8)}-`
  } catch {
    // Not Linux, or hidden: as if each directory came from another machine.
    return `${PREFIX}${randomBytes(4).toString('hex')}-`
  }
}
