import { createHash } from 'node:crypto'
import path from 'node:path'
import { decodeSafetensors } from '../exports/decode-safetensors.js'
import { ConvoyError } from '../shared/errors.js'
import { MAX_CONFIG_BYTES, MAX_JSON_BYTES, readRegularFile } from '../shared/read-file.js'
import type { StoredState } from '../training/training-state-tensors.js'
import type { CheckpointManifest } from './checkpoint-manifest.js'
import { MANIFEST_FILE, STATE_FILE, SUMS_FILE } from './checkpoint-manifest.js'
import { decodeManifest } from './decode-manifest.js'
import type { Disk } from './disk.js'
import { realDisk } from './disk.js'
import { vectorsOf } from './checkpoint-tensors.js'
import { sumsOf } from './write-checkpoint.js'

/** Of a state file. A buffer of Node holds no more than 4 GiB in every version. */
const MAX_STATE_BYTES = 4 * 2 ** 30 - 1

export interface Checkpoint {
  readonly directory: string
  readonly manifest: CheckpointManifest
  readonly stored: StoredState
}

/**
 * Reads a checkpoint and verifies every byte of it.
 * @throws ConvoyError('data') when it is damaged, incomplete or of another format
 */
export function readCheckpoint(directory: string, disk: Disk = realDisk): Checkpoint {
  const { manifest, text, sums } = readParts(directory, disk)
  const file = path.join(directory, STATE_FILE)
  const bytes = readRegularFile(file, MAX_STATE_BYTES, 'data', disk)
  if (sums !== sumsOf(sha256Of(text), sha256Of(bytes))) throw notItsSum(directory, STATE_FILE)
  const vectors = vectorsOf(decodeSafetensors(bytes, file), manifest.vectors, manifest.description.model.layout, file)
  return { directory, manifest, stored: { tensors: vectors, values: manifest.values } }
}

/** Reads what a checkpoint says of itself. Its state file is not verified. @throws as {@link readCheckpoint} */
export function readManifest(directory: string, disk: Disk = realDisk): CheckpointManifest {
  return readParts(directory, disk).manifest
}

function readParts(directory: string, disk: Disk): { manifest: CheckpointManifest; text: Buffer; sums: string } {
  const file = path.join(directory, MANIFEST_FILE)
  const text = readRegularFile(file, MAX_JSON_BYTES, 'data', disk)
  const sums = readRegularFile(path.join(directory, SUMS_FILE), MAX_CONFIG_BYTES, 'data', disk).toString('latin1')
  // First, so that a changed manifest is not taken for one of another format.
  if (!sums.startsWith(sha256Of(text))) throw notItsSum(directory, MANIFEST_FILE)
  return { manifest: decodeManifest(text.toString(), file), text, sums }
}

function notItsSum(directory: string, file: string): ConvoyError {
  return new ConvoyError(
    'data',
    `${directory} is damaged: the sha256 of ${file} is not that in ${SUMS_FILE}. Use an earlier checkpoint; \`convoy checkpoint verify\` lists them.`,
  )
}

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
