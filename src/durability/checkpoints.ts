import path from 'node:path'
import { isMissing } from '../shared/path-access.js'
import type { Disk } from './disk.js'
import { realDisk } from './disk.js'
import { REPLACED_PREFIX, UNFINISHED_PREFIX } from './write-checkpoint.js'

/** A checkpoint that is being removed. */
const REMOVED_PREFIX = '.gone-'

const NAME = /^step-(\d{8,})$/

/** A checkpoint by its name; what is in it was not read yet. */
export interface ListedCheckpoint {
  readonly directory: string
  readonly step: number
}

/** Where a run keeps its checkpoints. */
export function checkpointsIn(runDirectory: string): string {
  return path.join(runDirectory, 'checkpoints')
}

/** The path of the checkpoint of a step: `step-00000500`. The names sort by step. */
export function checkpointAt(runDirectory: string, step: number): string {
  return path.join(checkpointsIn(runDirectory), `step-${String(step).padStart(8, '0')}`)
}

/**
 * The checkpoints of a run, the newest first. Unfinished ones are left out. One that was about to be replaced is there under its other name:
 * it may be the only one.
 * @throws the system's error when they cannot be listed
 */
export function listCheckpoints(runDirectory: string, disk: Disk = realDisk): ListedCheckpoint[] {
  const root = checkpointsIn(runDirectory)
  const names = namesIn(root, disk)
  return names
    .flatMap((name) => {
      const target = replacedBy(name) ?? name
      const step = NAME.exec(target)?.[1]
      if (step === undefined || (target !== name && names.includes(target))) return []
      return [{ directory: path.join(root, name), step: Number(step) }]
    })
    .sort((a, b) => b.step - a.step)
}

export interface PrunedCheckpoints {
  /** Steps of those that stay. */
  readonly kept: readonly number[]
  /** Why one of the others is still there; undefined: none is. */
  readonly failure: unknown
}

/**
 * Removes all checkpoints but the newest ones and that of the best validation.
 * @param keep how many of the newest stay; at least 1
 * @param bestStep of the best validation so far
 * @param newest step of the newest; later ones are none of this run's: they stay, and take no place
 */
export function pruneCheckpoints(
  runDirectory: string,
  keep: number,
  bestStep: number | undefined,
  newest = Infinity,
  disk: Disk = realDisk,
): PrunedCheckpoints {
  const all = listCheckpoints(runDirectory, disk).filter(({ step }) => step <= newest)
  const kept = all.filter(({ step }, index) => index < keep || step === bestStep)
  let failure: unknown
  for (const checkpoint of all) {
    if (kept.includes(checkpoint)) continue
    try {
      removeCheckpoint(checkpoint.directory, disk)
    } catch (error) {
      failure ??= error
    }
  }
  return { kept: kept.map(({ step }) => step), failure }
}

/** Removes a checkpoint. One that is half removed has no name of a checkpoint any more. */
export function removeCheckpoint(directory: string, disk: Disk = realDisk): void {
  const aside = path.join(path.dirname(directory), `${REMOVED_PREFIX}${path.basename(directory)}`)
  disk.rmSync(aside, { recursive: true, force: true })
  disk.renameSync(directory, aside)
  disk.rmSync(aside, { recursive: true, force: true })
}

/**
 * Removes the checkpoints after the one that a run goes on from: they are damaged, another run's, or of a course that it left. Otherwise they would
 * take the places of whole ones, and the next coordinator could go on from one of them, where the reports have a gap. Only the owner of the
 * run directory may call this.
 * @param step of the checkpoint that it goes on from
 * @param warn logs a line for each
 */
export function removeLater(
  runDirectory: string,
  step: number,
  warn: (line: string) => void,
  disk: Disk = realDisk,
): void {
  for (const later of listCheckpoints(runDirectory, disk)) {
    if (later.step <= step) continue
    warn(`${later.directory} is removed: the run goes on from the checkpoint of step ${step}.`)
    removeCheckpoint(later.directory, disk)
  }
}

/**
 * Removes what a killed coordinator left unfinished, and gives a checkpoint its name back that it was about to replace. Only the owner of
 * the run directory may call this.
 */
export function removeUnfinished(runDirectory: string, disk: Disk = realDisk): void {
  const root = checkpointsIn(runDirectory)
  for (const name of namesIn(root, disk)) {
    const found = path.join(root, name)
    const target = replacedBy(name)
    if (target !== undefined && !disk.existsSync(path.join(root, target)))
      disk.renameSync(found, path.join(root, target))
    else if ([UNFINISHED_PREFIX, REPLACED_PREFIX, REMOVED_PREFIX].some((prefix) => name.startsWith(prefix)))
      disk.rmSync(found, { recursive: true, force: true })
  }
}

/** The name of the checkpoint that replaces one with this name; undefined: none does. */
function replacedBy(name: string): string | undefined {
  return name.startsWith(REPLACED_PREFIX) ? name.slice(REPLACED_PREFIX.length) : undefined
}

function namesIn(root: string, disk: Disk): string[] {
  try {
    return disk.readdirSync(root)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}
