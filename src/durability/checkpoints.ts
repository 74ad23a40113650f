import fs from 'node:fs'
import path from 'node:path'
import { isMissing } from '../shared/path-access.js'
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

/** The checkpoints of a run, the newest first. Unfinished ones are left out. @throws the system's error when they cannot be listed */
export function listCheckpoints(runDirectory: string): ListedCheckpoint[] {
  const root = checkpointsIn(runDirectory)
  return namesIn(root)
    .flatMap((name) => {
      const step = NAME.exec(name)?.[1]
      return step === undefined ? [] : [{ directory: path.join(root, name), step: Number(step) }]
    })
    .sort((a, b) => b.step - a.step)
}

/**
 * Removes all checkpoints but the newest ones and that of the best validation.
 * @param keep how many of the newest stay; at least 1
 * @param bestStep of the best validation so far
 * @returns the steps of those that stay
 */
export function pruneCheckpoints(runDirectory: string, keep: number, bestStep: number | undefined): number[] {
  const all = listCheckpoints(runDirectory)
  const kept = all.filter(({ step }, index) => index < keep || step === bestStep)
  for (const checkpoint of all) if (!kept.includes(checkpoint)) removeCheckpoint(checkpoint.directory)
  return kept.map(({ step }) => step)
}

/** Removes a checkpoint. One that is half removed has no name of a checkpoint any more. */
export function removeCheckpoint(directory: string): void {
  const aside = path.join(path.dirname(directory), `${REMOVED_PREFIX}${path.basename(directory)}`)
  fs.rmSync(aside, { recursive: true, force: true })
  fs.renameSync(directory, aside)
  fs.rmSync(aside, { recursive: true, force: true })
}

/**
 * Removes what a killed coordinator left unfinished, and gives a checkpoint its name back that it was about to replace. Only the owner of
 * the run directory may call this.
 */
export function removeUnfinished(runDirectory: string): void {
  const root = checkpointsIn(runDirectory)
  for (const name of namesIn(root)) {
    const found = path.join(root, name)
    const replaced = name.startsWith(REPLACED_PREFIX) ? path.join(root, name.slice(REPLACED_PREFIX.length)) : undefined
    if (replaced !== undefined && !fs.existsSync(replaced)) fs.renameSync(found, replaced)
    else if ([UNFINISHED_PREFIX, REPLACED_PREFIX, REMOVED_PREFIX].some((prefix) => name.startsWith(prefix)))
      fs.rmSync(found, { recursive: true, force: true })
  }
}

function namesIn(root: string): string[] {
  try {
    return fs.readdirSync(root)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}
