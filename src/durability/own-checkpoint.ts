import path from 'node:path'
import { ConvoyError } from '../shared/errors.js'
import type { ListedCheckpoint } from './checkpoints.js'
import type { Disk } from './disk.js'
import { realDisk } from './disk.js'
import type { Checkpoint } from './read-checkpoint.js'
import { readCheckpoint, readManifest } from './read-checkpoint.js'

/**
 * The run that these checkpoints belong to, by the name that its directory had when it began. The directory may have been renamed or copied
 * since, and checkpoints of other runs may have been copied into it: its own name decides, then what most of them say.
 * @param checkpoints of the run, the newest first
 * @returns undefined when no manifest can be read
 */
export function runOf(
  runDirectory: string,
  checkpoints: readonly ListedCheckpoint[],
  disk: Disk = realDisk,
): string | undefined {
  const counts = new Map<string, number>()
  for (const { directory } of checkpoints.toReversed()) {
    const name = runNamedIn(directory, disk)
    if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  const own = path.basename(path.resolve(runDirectory))
  if (counts.has(own)) return own
  const most = Math.max(...counts.values())
  return [...counts.keys()].find((name) => counts.get(name) === most)
}

/**
 * Reads a checkpoint of a run as {@link readCheckpoint} does, and checks that it belongs there.
 * @param run see {@link runOf}
 * @throws ConvoyError('data') also when it is that of another run or of another step
 */
export function readOwnCheckpoint(
  { directory, step }: ListedCheckpoint,
  run: string | undefined,
  disk: Disk = realDisk,
): Checkpoint {
  const checkpoint = readCheckpoint(directory, disk)
  const { position, run: writer } = checkpoint.manifest
  if (run !== undefined && writer.directory !== run)
    throw new ConvoyError(
      'data',
      `${directory} belongs to another run, ${writer.directory}; this one began as ${run}. Remove it; \`convoy train --fork\` can begin with its weights.`,
    )
  if (position.step !== step)
    throw new ConvoyError('data', `${directory} has the checkpoint of step ${position.step}. Rename or remove it.`)
  return checkpoint
}

function runNamedIn(directory: string, disk: Disk): string | undefined {
  try {
    return readManifest(directory, disk).run.directory
  } catch (error) {
    if (ConvoyError.from(error).code !== 'data') throw error
    return undefined
  }
}
