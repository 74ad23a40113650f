import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { MANIFEST_FILE } from '../durability/checkpoint-manifest.js'
import { listCheckpoints } from '../durability/checkpoints.js'
import type { Checkpoint } from '../durability/read-checkpoint.js'
import { readCheckpoint } from '../durability/read-checkpoint.js'
import { newestCheckpoint } from '../durability/restore-state.js'
import type { RunConfig } from '../model/config/run-config.js'
import { isRunGoingOn } from '../reporting/run-lock.js'
import { ConvoyError } from '../shared/errors.js'
import type { Logger } from '../shared/log/log.js'
import { cannotBeRead, isMissing, isThere, statIfThere } from '../shared/path-access.js'
import { listed } from '../shared/log/listed.js'
import { describe, otherSettings } from './resumed-config.js'

/** What `--resume` and `--fork` name. */
export interface RunPlace {
  readonly runDirectory: string
  /** A checkpoint that was named; undefined: the run, with the newest one that is whole. */
  readonly checkpoint: string | undefined
}

/** A run that goes on, and the checkpoint that it goes on from. */
export interface InterruptedRun {
  readonly place: RunPlace
  readonly checkpoint: Checkpoint
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

/**
 * For `--auto-resume`: the newest run that was interrupted, has this name, and would go on with this configuration.
 * @param log hears why a run of that name does not go on
 * @returns undefined when there is none
 */
export async function runToGoOnWith(
  root: string,
  name: string,
  config: RunConfig,
  log: Logger,
): Promise<InterruptedRun | undefined> {
  for (const runDirectory of await interruptedRuns(root)) {
    const place = { runDirectory, checkpoint: undefined }
    const checkpoint = checkpointOf(place, log)
    const { run, description } = checkpoint.manifest
    if (run.name !== name) continue
    const other = otherSettings(description.config, config)
    if (other.length === 0) return { place, checkpoint }
    log.info(
      `${runDirectory} was interrupted, but has other settings (${listed(other.map(describe))}); beginning a new run.`,
    )
    return undefined
  }
  return undefined
}

async function newestInterruptedRun(root: string): Promise<string> {
  const [newest] = await interruptedRuns(root)
  if (newest !== undefined) return newest
  throw new ConvoyError(
    'usage',
    `No run under ${root} was interrupted: each is finished, goes on, or has no checkpoint. Name one to train it for longer, or start a run without --resume.`,
  )
}

/** The newest first. */
async function interruptedRuns(root: string): Promise<string[]> {
  const names = await readdir(root).catch((error: unknown) => {
    if (isMissing(error)) return []
    throw cannotBeRead(root, error)
  })
  const runs: string[] = []
  for (const name of names.sort().reverse()) {
    const directory = path.join(root, name)
    if (!(await statIfThere(directory))?.isDirectory()) continue
    const isOver = isThere(path.join(directory, 'result.json'))
    if (!isOver && listCheckpoints(directory).length > 0 && !isRunGoingOn(directory)) runs.push(directory)
  }
  return runs
}
