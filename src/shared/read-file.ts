import type { Stats } from 'node:fs'
import fs, { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import type { ErrorCode } from './error-codes.js'
import { ConvoyError } from './errors.js'
import { cannotBeRead, isMissing } from './path-access.js'
import { formatBytes } from './units.js'

/** Opening a pipe does not block, and a terminal does not become the controlling terminal of this process. */
const READ = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY
/** A system call reads less than 2 GiB. */
const MAX_BYTES_AT_ONCE = 2 ** 30

/** The calls of node:fs that read a file. */
export interface ReadingCalls {
  readonly openSync: (file: string, flags: number) => number
  readonly closeSync: (descriptor: number) => void
  readonly fstatSync: (descriptor: number) => Pick<Stats, 'size' | 'isFile' | 'isDirectory' | 'isFIFO'>
  readonly readSync: (
    descriptor: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number | null,
  ) => number
}

/** Size limit of JSON files that Convoy writes: enough for 4,096 workers, or as many classes with long names. */
export const MAX_JSON_BYTES = 64e6
/** Size limit of a configuration file. */
export const MAX_CONFIG_BYTES = 1e6

/**
 * Reads a file that may come from another user. Pipes and devices, which may have no end, are rejected.
 * @param maxBytes size limit of the file
 * @returns as many bytes as it had when it was opened
 * @throws ConvoyError(code) when it cannot be read, is no regular file or has more bytes
 */
export function readRegularFile(
  file: string,
  maxBytes: number,
  code: ErrorCode = 'usage',
  calls: ReadingCalls = fs,
): Buffer {
  try {
    const descriptor = calls.openSync(file, READ)
    try {
      const stats = calls.fstatSync(descriptor)
      check(file, stats, code)
      if (stats.isFile() && stats.size > maxBytes) throw tooLarge(file, maxBytes, code)
      return readAll(descriptor, stats.size, calls)
    } finally {
      calls.closeSync(descriptor)
    }
  } catch (error) {
    throw unreadable(file, error, code)
  }
}

/** As {@link readRegularFile}. @returns the text; undefined when there is no file of that name */
export function readTextIfThere(file: string, maxBytes: number, code?: ErrorCode): string | undefined {
  try {
    return readRegularFile(file, maxBytes, code).toString()
  } catch (error) {
    const { cause } = error as Error
    if (cause instanceof Error && isMissing(cause)) return undefined
    throw error
  }
}

/**
 * As {@link readRegularFile}, for reading piece by piece.
 * @throws ConvoyError(code) when it cannot be opened or is no regular file
 */
export async function openRegularFile(file: string, code: ErrorCode = 'usage'): Promise<FileHandle> {
  let handle: FileHandle | undefined
  try {
    handle = await open(file, READ)
    check(file, await handle.stat(), code)
    return handle
  } catch (error) {
    await handle?.close()
    throw unreadable(file, error, code)
  }
}

/** The error for a file above its size limit. */
export function tooLarge(file: string, maxBytes: number, code: ErrorCode): ConvoyError {
  return new ConvoyError(
    code,
    `${file} is larger than the limit of ${formatBytes(maxBytes)} for such a file; check its content.`,
  )
}

function readAll(descriptor: number, size: number, { readSync }: ReadingCalls): Buffer {
  // Read at least one byte: only that fails for a directory.
  const bytes = Buffer.allocUnsafeSlow(Math.max(size, 1))
  let length = 0
  for (;;) {
    const got = readSync(descriptor, bytes, length, Math.min(bytes.length - length, MAX_BYTES_AT_ONCE), null)
    length += got
    if (got === 0 || length === bytes.length) return bytes.subarray(0, length)
  }
}

/** A directory passes, so that reading it fails with the system's error. */
function check(file: string, stats: ReturnType<ReadingCalls['fstatSync']>, code: ErrorCode): void {
  if (stats.isFile() || stats.isDirectory()) return
  throw notRegular(file, stats.isFIFO() ? 'a pipe' : 'a device', code)
}

function unreadable(file: string, error: unknown, code: ErrorCode): ConvoyError {
  // open(2) fails so for a socket.
  if ((error as NodeJS.ErrnoException).code === 'ENXIO') return notRegular(file, 'a socket', code)
  return cannotBeRead(file, error, code)
}

function notRegular(file: string, kind: string, code: ErrorCode): ConvoyError {
  return new ConvoyError(code, `${file} is ${kind}, not a regular file; replace it by a file, or remove it.`)
}
