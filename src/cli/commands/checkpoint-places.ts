import fs from 'node:fs'
import path from 'node:path'
import { MANIFEST_FILE } from '../../durability/checkpoint-manifest.js'
import { listCheckpoints } from '../../durability/checkpoints.js'
import { ConvoyError } from '../../shared/errors.js'
import { cannotBeRead, isMissing, isThere } from '../../shared/path-access.js'
import type { RunPlace } from '../interrupted-run.js'

/** The flags of every subcommand. */
export interface CheckpointFlags {
  readonly runsDir: string
  readonly json?: true
}

/** A checkpoint whose files are missing is one all the same. */
const CHECKPOINT_NAME = /^step-\d{8,}$/

/**
 * The run or checkpoint of that name. A run has at least one checkpoint.
 * @param root directory of the run directories
 * @param name path of a run directory or of a checkpoint, or the name of a run under `root`
 * @throws ConvoyError('usage') when there is none
 */
export function findPlace(root: string, name: string): RunPlace {
  const found = [name, path.join(root, name)].find((candidate) => isThere(candidate))
  if (found === undefined)
    throw new ConvoyError(
      'usage',
      `${name}: there is no such run or checkpoint, in ${root} or as a path. Name another one, or its directory of runs with --runs-dir.`,
    )
  const absolute = path.resolve(found)
  if (CHECKPOINT_NAME.test(path.basename(absolute)) || isThere(path.join(found, MANIFEST_FILE)))
    return { runDirectory: path.dirname(path.dirname(absolute)), checkpoint: found }
  if (listCheckpoints(found).length > 0) return { runDirectory: found, checkpoint: undefined }
  throw new ConvoyError(
    'usage',
    `${found} has no checkpoints: it is no run directory, was made with \`convoy train --checkpoint-every off\` or by an earlier version, or ended before its first checkpoint. Name another run.`,
  )
}

/**
 * The directory of a run with checkpoints.
 * @param name as for {@link findPlace}; undefined: the newest run
 * @throws ConvoyError('usage') when there is none, or a checkpoint is named
 */
export function findRun(root: string, name: string | undefined): string {
  if (name === undefined) return newestRun(root)
  const { runDirectory, checkpoint } = findPlace(root, name)
  if (checkpoint === undefined) return runDirectory
  throw new ConvoyError('usage', `${name} is a checkpoint: name its run, ${runDirectory}.`)
}

/** The directory of the checkpoint that was named, or of the newest one of the run, whole or not. */
export function checkpointIn({ runDirectory, checkpoint }: RunPlace): string {
  return checkpoint ?? listCheckpoints(runDirectory)[0]!.directory
}

/** The names of run directories begin with the time when they were made. */
function newestRun(root: string): string {
  const directories = namesIn(root).map((name) => path.join(root, name))
  const found = directories
    .sort()
    .findLast((directory) => isDirectory(directory) && listCheckpoints(directory).length > 0)
  if (found !== undefined) return found
  throw new ConvoyError(
    'usage',
    `No run under ${root} has a checkpoint. Name a run directory, or the directory of the runs with --runs-dir.`,
  )
}

function namesIn(root: string): string[] {
  try {
    return fs.readdirSync(root)
  } catch (error) {
    if (isMissing(error)) return []
    throw cannotBeRead(root, error)
  }
}

/** Other files may lie beside the runs, and links without a target. */
function isDirectory(file: string): boolean {
  return fs.statSync(file, { throwIfNoEntry: false })?.isDirectory() === true
}
