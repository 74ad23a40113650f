import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { MANIFEST_FILE } from '../durability/checkpoint-manifest.js'
import { listCheckpoints } from '../durability/checkpoints.js'
import type { Checkpoint } from '../durability/read-checkpoint.js'
import { readCheckpoint } from '../durability/read-checkpoint.js'
import { newestCheckpoint } from '../durability/restore-state.js'
import { isRunGoingOn } from '../reporting/run-lock.js'
import { ConvoyError } from '../shared/errors.js'
import type { Logger } from '../shared/log/log.js'
import { cannotBeRead, isMissing, isThere, statIfThere } from '../shared/path-access.js'

/** What `--resume` and `--fork` name. */
export interface RunPlace {
  readonly runDirectory: string
  /** A checkpoint that was named; undefined: the run, with the newest one that is whole. */
  readonly checkpoint: string | undefined
}

/**
 * The run or checkpoint of that name or, without one, the newest run that was interrupted.
 * @param root directory of the run directories
 * @param name path of a run directory or of a checkpoint, or the name of a run under `root`
 * @throws ConvoyError('usage') when there is none
 */
export async function findRunPlace(root: string, name: string | true): Promise<RunPlace> {
  if (name === true) return { runDirectory: await newestInterruptedRun(root), checkpoint: undefined }
  const place = [name, path.join(root, name)].find((candidate) => isThere(candidate))
  if (place === undefined) throw new ConvoyError('usage', `${name}: there is no such run, in ${root} or as a path.`)
  if (isThere(path.join(place, MANIFEST_FILE)))
    return { runDirectory: path.dirname(path.dirname(path.resolve(place))), checkpoint: place }
  if (listCheckpoints(place).length > 0) return { runDirectory: place, checkpoint: undefined }
  throw new ConvoyError(
    'usage',
    `${place} has no checkpoints: it is no run directory, was made with --checkpoint-every off or by an earlier version, or ended before its first checkpoint.`,
  )
}

/**
 * The checkpoint that was named, or the newest one of the run that is whole.
 * @throws ConvoyError('data') when it is damaged, or none is whole
 */
export function checkpointOf({ runDirectory, checkpoint }: RunPlace, log: Logger): Checkpoint {
  return checkpoint === undefined ? newestCheckpoint(runDirectory, log.warn) : readCheckpoint(checkpoint)
}

async function newestInterruptedRun(root: string): Promise<string> {
  const names = await readdir(root).catch((error: unknown) => {
    if (isMissing(error)) return []
    throw cannotBeRead(root, error)
  })
  for (const name of names.sort().reverse()) {
    const directory = path.join(root, name)
    if (!(await statIfThere(directory))?.isDirectory()) continue
    const isOver = isThere(path.join(directory, 'result.json'))
    if (!isOver && listCheckpoints(directory).length > 0 && !isRunGoingOn(directory)) return directory
  }
  throw new ConvoyError(
    'usage',
    `No run under ${root} was interrupted: each is finished, goes on, or has no checkpoint. Name one to train it for longer, or start a run without --resume.`,
  )
}
