import { createHash } from 'node:crypto'
import path from 'node:path'
import type { NamedTensor } from '../exports/encode-safetensors.js'
import { safetensorsParts } from '../exports/encode-safetensors.js'
import { MANIFEST_FILE, STATE_FILE, SUMS_FILE } from './checkpoint-manifest.js'
import type { Disk } from './disk.js'

/** A checkpoint in the making. Others never see it. */
export const UNFINISHED_PREFIX = '.new-'
/** A checkpoint that another one of the same step replaces. */
export const REPLACED_PREFIX = '.old-'

/** System calls write less than 2 GiB. */
const MAX_BYTES_AT_ONCE = 2 ** 30

/**
 * Writes a checkpoint as one directory, which appears by one rename when everything in it has reached the disk. Blocks: see
 * checkpoint-thread.ts.
 * @param target its path; a directory of that name is replaced
 * @param manifest text of the manifest
 * @returns bytes written
 * @throws Error of the file system; the checkpoint is there then, or is not, but never in part
 */
export function writeCheckpoint(target: string, manifest: string, tensors: readonly NamedTensor[], disk: Disk): number {
  const root = path.dirname(target)
  makeSynced(root, disk)
  const staging = path.join(root, UNFINISHED_PREFIX + path.basename(target))
  // An attempt that failed may not even have been able to remove its files.
  disk.rmSync(staging, { recursive: true, force: true })
  try {
    disk.mkdirSync(staging, { recursive: false })
    const state = writeSynced(path.join(staging, STATE_FILE), safetensorsParts(tensors, { format: 'pt' }), disk)
    const text = writeSynced(path.join(staging, MANIFEST_FILE), [Buffer.from(manifest)], disk)
    const sums = writeSynced(path.join(staging, SUMS_FILE), [Buffer.from(sumsOf(text.sha256, state.sha256))], disk)
    syncDirectory(staging, disk)
    replaceDirectory(staging, target, disk)
    return state.bytes + text.bytes + sums.bytes
  } finally {
    disk.rmSync(staging, { recursive: true, force: true })
  }
}

/** The text of the file of sums. */
export function sumsOf(manifestSha256: string, stateSha256: string): string {
  return `${manifestSha256}  ${MANIFEST_FILE}\n${stateSha256}  ${STATE_FILE}\n`
}

function writeSynced(
  file: string,
  parts: Iterable<Buffer>,
  disk: Disk,
): { readonly bytes: number; readonly sha256: string } {
  const hash = createHash('sha256')
  let bytes = 0
  const descriptor = disk.openSync(file, 'wx')
  try {
    for (const part of parts) {
      hash.update(part)
      for (let done = 0; done < part.length;)
        done += disk.writeSync(descriptor, part, done, Math.min(part.length - done, MAX_BYTES_AT_ONCE))
      bytes += part.length
    }
    disk.fsyncSync(descriptor)
  } finally {
    disk.closeSync(descriptor)
  }
  return { bytes, sha256: hash.digest('hex') }
}

/** What is replaced lies aside for the moment between two renames: a directory with content cannot be replaced by one. */
function replaceDirectory(staging: string, target: string, disk: Disk): void {
  const root = path.dirname(target)
  const aside = path.join(root, REPLACED_PREFIX + path.basename(target))
  if (disk.existsSync(target)) {
    disk.rmSync(aside, { recursive: true, force: true })
    disk.renameSync(target, aside)
  }
  disk.renameSync(staging, target)
  syncDirectory(root, disk)
  disk.rmSync(aside, { recursive: true, force: true })
}

/**
 * Makes a directory, if there is none, and writes its name to the disk: a coordinator that made it may have been killed before it could do
 * so. The one that it is in exists, or is gone with all of the run.
 */
export function makeSynced(directory: string, disk: Disk): void {
  disk.mkdirSync(directory, { recursive: true })
  syncDirectory(path.dirname(directory), disk)
}

/** Writes the names in a directory to the disk. Blocks. */
export function syncDirectory(directory: string, disk: Disk): void {
  const descriptor = disk.openSync(directory, 'r')
  try {
    disk.fsyncSync(descriptor)
  } finally {
    disk.closeSync(descriptor)
  }
}
