import type { RunDescription } from '../model/run-description.js'
import { ConvoyError } from '../shared/errors.js'
import type { MakeCallbacks } from '../training/callbacks/own-callbacks.js'
import type { TrainingState } from '../training/training-state.js'
import { fromTensors } from '../training/training-state-tensors.js'
import type { ListedCheckpoint } from './checkpoints.js'
import { checkpointsIn, listCheckpoints, removeLater, removeUnfinished } from './checkpoints.js'
import type { Disk } from './disk.js'
import { realDisk } from './disk.js'
import { readOwnCheckpoint, runOf } from './own-checkpoint.js'
import type { Checkpoint } from './read-checkpoint.js'
import type { Replayed, ReplayOptions } from './replay-journal.js'
import { replayJournal } from './replay-journal.js'
import { listSegments } from './segments.js'
import { syncDirectory } from './write-checkpoint.js'

export interface RestoreOptions extends ReplayOptions {
  /** The user's. */
  readonly callbacks?: MakeCallbacks | undefined
}

export interface RestoredState extends Replayed {
  readonly state: TrainingState
  /** The checkpoint that the journal was replayed on. */
  readonly checkpoint: Checkpoint
}

/**
 * The newest checkpoint of a run that is whole.
 * @param warn logs a line for each one that is not
 * @throws ConvoyError('data') when there is none, or when a later version of Convoy wrote it: to go on from an earlier one would lose it
 */
export function newestCheckpoint(
  runDirectory: string,
  warn: (line: string) => void,
  disk: Disk = realDisk,
): Checkpoint {
  const checkpoints = listCheckpoints(runDirectory, disk)
  const run = runOf(runDirectory, checkpoints, disk)
  for (const listed of checkpoints) {
    const checkpoint = wholeCheckpoint(listed, run, warn, disk)
    if (checkpoint !== undefined) return checkpoint
  }
  throw noneIsWhole(runDirectory, checkpoints)
}

/**
 * The state of a run after its last step that is on disk.
 * @throws ConvoyError('data') when the checkpoint does not fit its own description; ConvoyError('usage') when the user's callbacks fail
 */
export function restoreState(runDirectory: string, checkpoint: Checkpoint, options: RestoreOptions): RestoredState {
  const { stored, manifest } = checkpoint
  const { callbacks } = options
  const state = fromTensors(stored, manifest.description as RunDescription)
  if (callbacks) state.callbacks.begin(callbacks)
  return { state, checkpoint, ...replayJournal(state, listSegments(runDirectory, options.disk), options) }
}

/**
 * Restores the state of a run, and makes its directory ready to go on from there. Only the owner of the run directory may call this.
 * @throws ConvoyError('data') as {@link restoreState}; the system's error when the directory cannot be written
 */
export function takeOverRun(runDirectory: string, checkpoint: Checkpoint, options: RestoreOptions): RestoredState {
  const { warn, disk = realDisk } = options
  const restored = restoreState(runDirectory, checkpoint, options)
  removeUnfinished(runDirectory, disk)
  removeLater(runDirectory, checkpoint.manifest.position.step, warn, disk)
  // A coordinator that was killed before it could do so may have published the checkpoint. What the run does now rests on it.
  syncDirectory(checkpointsIn(runDirectory), disk)
  return restored
}

function wholeCheckpoint(
  listed: ListedCheckpoint,
  run: string | undefined,
  warn: (line: string) => void,
  disk: Disk,
): Checkpoint | undefined {
  try {
    return readOwnCheckpoint(listed, run, disk)
  } catch (error) {
    const { code, message, details } = ConvoyError.from(error)
    if (code !== 'data' || 'format' in details) throw error
    warn(`${message} The checkpoint before it is used.`)
    return undefined
  }
}

function noneIsWhole(runDirectory: string, checkpoints: readonly ListedCheckpoint[]): ConvoyError {
  return new ConvoyError(
    'data',
    checkpoints.length === 0
      ? `${runDirectory} has no checkpoints: it was made with --checkpoint-every off, by an earlier version, or ended before its first one. Start the run anew.`
      : `None of the ${checkpoints.length} checkpoints in ${checkpointsIn(runDirectory)} is whole: restore them from a copy, or start the run anew.`,
  )
}
