import { weightsSha256 } from '../model/weights-sha256.js'
import { encodeManifest } from './checkpoint-manifest.js'
import { namedTensors } from './checkpoint-tensors.js'
import type { CheckpointOrder, RunFacts } from './checkpoint-thread.js'
import type { Disk } from './disk.js'
import { writeCheckpoint } from './write-checkpoint.js'

/**
 * Writes the checkpoint that was ordered. Blocks.
 * @param createdAt ISO 8601, UTC
 * @returns bytes written
 * @throws as writeCheckpoint
 */
export function carryOutOrder(
  { directory, vectors, dynamic }: CheckpointOrder,
  facts: RunFacts,
  createdAt: string,
  disk: Disk,
): number {
  const manifest = encodeManifest({
    ...{ ...facts, ...dynamic, createdAt },
    vectors: Object.fromEntries(Object.entries(vectors).map(([name, { length }]) => [name, length])),
    weightsSha256: weightsSha256(vectors['weights']!),
  })
  return writeCheckpoint(directory, manifest, namedTensors(vectors, facts.description.model.layout), disk)
}
