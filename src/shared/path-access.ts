import type { Stats } from 'node:fs'
import { lstatSync, readlinkSync, statSync } from 'node:fs'
import { lstat, readlink, stat } from 'node:fs/promises'
import type { ErrorCode } from './error-codes.js'
import { ConvoyError } from './errors.js'
import { throwShortage } from './own-shortage.js'

/** Reasons for unreadable files, with remedies. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not read it; check the permissions of it and of the directories above',
  EPERM: 'this user may not read it; check the permissions of it and of the directories above',
  EIO: 'the disk or its server reports an error; check the mount',
  ELOOP: 'its links lead in a circle; point them elsewhere',
  ENOTDIR: 'a part of the path is no directory; check the path',
  EISDIR: 'it is a directory where a file is expected; check the path',
  ENAMETOOLONG: 'the name is longer than file systems take; check the path',
  ESTALE: 'its file server no longer has it; mount it again',
  ENOTCONN: 'its file server does not answer; mount it again',
}

/** Whether the error means that no such file exists. Other errors leave that open. */
export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}

/**
 * The error for a file that exists and cannot be read.
 * @param error of the system; other errors are thrown unchanged
 * @throws what {@link throwShortage} throws
 */
export function cannotBeRead(file: string, error: unknown, code: ErrorCode = 'usage'): ConvoyError {
  throwShortage(error)
  const { code: reason, syscall } = error as NodeJS.ErrnoException
  if (reason === undefined || syscall === undefined) throw error
  return new ConvoyError(code, `${file} cannot be read (${reason}): ${REASONS[reason] ?? 'check the path'}.`, {
    cause: error,
  })
}

/**
 * @returns undefined when no such file exists
 * @throws ConvoyError when that cannot be found out, or for a link without a target: an unplugged disk is not an empty one
 */
export async function statIfThere(file: string, code: ErrorCode = 'usage'): Promise<Stats | undefined> {
  try {
    const found = await lstat(file)
    return found.isSymbolicLink() ? await stat(file) : found
  } catch (error) {
    if (!isMissing(error)) throw cannotBeRead(file, error, code)
    const goal = await readlink(file).catch(() => undefined)
    if (goal === undefined) return undefined
    throw pointsNowhere(file, goal, code)
  }
}

/** As {@link statIfThere}, synchronously. */
export function isThere(file: string, code: ErrorCode = 'usage'): boolean {
  try {
    const found = lstatSync(file)
    if (!found.isSymbolicLink()) return true
  } catch (error) {
    if (isMissing(error)) return false
    throw cannotBeRead(file, error, code)
  }
  try {
    statSync(file)
    return true
  } catch (error) {
    throw isMissing(error) ? pointsNowhere(file, readlinkSync(file), code) : cannotBeRead(file, error, code)
  }
}

function pointsNowhere(file: string, goal: string, code: ErrorCode): ConvoyError {
  return new ConvoyError(
    code,
    `${file} is a link to ${goal}, which does not exist; mount or restore it, or remove the link.`,
  )
}
