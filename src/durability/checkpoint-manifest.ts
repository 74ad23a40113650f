import type { RunDescription } from '../model/run-description.js'
import type { StoredValues } from '../training/training-state-tensors.js'
import { writeEveryNumber } from './every-number.js'

/** Grows with every change after which an older version of Convoy would read something else: docs/reference/checkpoints.md. */
export const CHECKPOINT_FORMAT = 1

export const MANIFEST_FILE = 'manifest.json'
export const STATE_FILE = 'state.safetensors'
/** As sha256sum writes it: `sha256sum -c SHA256SUMS` verifies a checkpoint. */
export const SUMS_FILE = 'SHA256SUMS'

/** Everything of a checkpoint but its vectors. */
export interface CheckpointManifest {
  readonly format: typeof CHECKPOINT_FORMAT
  /** Version of Convoy that wrote it. */
  readonly convoy: string
  readonly run: {
    /** Name of its directory. */
    readonly directory: string
    /** `--name`, or the recipe. */
    readonly name: string
    readonly recipe: string
  }
  /** ISO 8601, UTC. */
  readonly createdAt: string
  /** Where the run is. Random numbers are drawn by seed, epoch, step and sample, so the generator has no other state. */
  readonly position: {
    readonly step: number
    readonly epoch: number
    readonly samplesSeen: number
    readonly seed: number
  }
  /** Resolved configuration, model and data set with its fingerprint. */
  readonly description: RunDescription
  readonly values: StoredValues
  /** Elements of each vector in the state file, in its order. */
  readonly vectors: Readonly<Record<string, number>>
  /** sha256 (hex) of the flat weights, little-endian. */
  readonly weightsSha256: string
  /** Of the device whose results count; null: none counted yet. Other devices may compute other bits. */
  readonly deviceFingerprint: string | null
  /** The checkpoint that the run began with, see --fork; null: with weights of its own. */
  readonly ancestor: Ancestor | null
}

/** The checkpoint that a fork began with. */
export interface Ancestor {
  readonly run: string
  readonly step: number
  readonly weightsSha256: string
}

/** @returns the text of the manifest file */
export function encodeManifest(manifest: Omit<CheckpointManifest, 'format'>): string {
  return `${JSON.stringify({ format: CHECKPOINT_FORMAT, ...manifest }, writeEveryNumber, 2)}\n`
}
