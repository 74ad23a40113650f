import type { PlannedRun } from '../coordinator/plan-run.js'
import { planRun } from '../coordinator/plan-run.js'
import type { Ancestor } from '../durability/checkpoint-manifest.js'
import { listCheckpoints } from '../durability/checkpoints.js'
import type { Checkpoint } from '../durability/read-checkpoint.js'
import type { RestoredState } from '../durability/restore-state.js'
import { newestCheckpoint, takeOverRun } from '../durability/restore-state.js'
import {
  createRunDirectory,
  putEndAside,
  removeTemporaries,
  writeConfig,
  writeProvenance,
} from '../reporting/run-directory.js'
import type { RunIdentity } from '../reporting/run-identity.js'
import { runNameOf } from '../reporting/run-identity.js'
import { takeRun } from '../reporting/run-lock.js'
import { ConvoyError } from '../shared/errors.js'
import type { Logger } from '../shared/log/log.js'
import type { OwnershipLock } from '../shared/ownership-lock.js'
import { version } from '../shared/version.js'
import type { TrainingState } from '../training/training-state.js'
import { stateOfZeros, takeOver } from '../training/training-state.js'
import { fromTensors } from '../training/training-state-tensors.js'
import { newState } from './new-state.js'
import { allowedChanges, describe } from './resumed-config.js'
import type { RunRequest } from './flags/run-flags.js'
import type { RunPlace } from './interrupted-run.js'
import { checkpointOf } from './interrupted-run.js'

/** A run with a directory that belongs to this process. Nothing listens yet. */
export interface OpenedRun {
  readonly planned: PlannedRun
  readonly runDirectory: string
  readonly identity: RunIdentity
  /** Absent if files cannot be locked. */
  readonly lock: OwnershipLock | undefined
  /** Where the training begins. */
  readonly state: TrainingState
  /** Of a resumed run. */
  readonly restored: RestoredState | undefined
  /** Whether a resumed run goes on with other settings than its checkpoint. */
  readonly hasChanged: boolean
  /** Of a fork. */
  readonly ancestor: Ancestor | null
}

/**
 * Opens a new run, or goes on with one whose coordinator ended.
 * @throws errors of the data set, of the checkpoint, and of the run directory
 */
export async function openRun(request: RunRequest): Promise<OpenedRun> {
  const { interrupted } = request
  return interrupted === undefined ? openNewRun(request) : openInterruptedRun(interrupted, request)
}

async function openNewRun({
  config,
  options: { data, runsDir },
  name,
  recipe,
  fork,
  model,
  early: { log },
}: RunRequest): Promise<OpenedRun> {
  const checkpoint = fork && checkpointOf(fork, log)
  const planned = await planRun(config, data, log.info, model && { source: model })
  const state = checkpoint ? forkedState(checkpoint, planned, log) : newState(planned, model?.optimizerFile, log)
  if (planned.callbacks) state.callbacks.begin(planned.callbacks)
  const { runDirectory, lock } = await createRunDirectory(runsDir, name, Date.now())
  await writeProvenance(runDirectory, config, version())
  return {
    ...{ planned, runDirectory, lock, state, restored: undefined, hasChanged: false },
    identity: { run: runNameOf(runDirectory), name, recipe, version: version() },
    ancestor: checkpoint ? ancestorOf(checkpoint) : null,
  }
}

/** @throws ConvoyError('usage') when another process has it, or it cannot go on with this configuration or data set */
async function openInterruptedRun(
  { place, checkpoint }: NonNullable<RunRequest['interrupted']>,
  { config, options: { data }, early: { log } }: RunRequest,
): Promise<OpenedRun> {
  const { runDirectory } = place
  const { run, description, ancestor } = checkpoint.manifest
  const changes = allowedChanges(description.config, config)
  const lock = await takeRun(runDirectory)
  try {
    checkStillNewest(place, checkpoint)
    const own = config.model && { description: description.model }
    const planned = await planRun(config, data ?? description.dataset.fingerprint, log.info, own)
    checkSameRun(planned, checkpoint)
    const trainSamples = planned.split.train.length
    const restored = takeOverRun(runDirectory, checkpoint, {
      ...{ description, trainSamples, callbacks: planned.callbacks },
      ...{ now: () => performance.now(), warn: log.warn },
    })
    await removeTemporaries(runDirectory)
    await putEndAside(runDirectory)
    for (const change of changes) log.info(`The run goes on with another setting: ${describe(change)}.`)
    if (changes.length > 0) await writeConfig(runDirectory, config)
    return {
      ...{ planned, runDirectory, lock, restored, state: restored.state, ancestor },
      identity: { run: runNameOf(runDirectory), name: run.name, recipe: run.recipe, version: version() },
      hasChanged: changes.length > 0,
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

/**
 * The checkpoint was read before the run belonged to this process.
 * @throws ConvoyError('usage') when another coordinator went on with the run meanwhile
 */
function checkStillNewest({ runDirectory, checkpoint }: RunPlace, { manifest: { position } }: Checkpoint): void {
  const isNewest = listCheckpoints(runDirectory).every(({ step }) => step <= position.step)
  if (checkpoint !== undefined || isNewest) return
  // Later ones may be damaged.
  const { step } = newestCheckpoint(runDirectory, () => undefined).manifest.position
  if (step === position.step) return
  throw new ConvoyError(
    'usage',
    `${runDirectory}: another coordinator went on with this run while this one started, and made a checkpoint of step ${step}. Resume it again.`,
  )
}

/** @throws ConvoyError when the data set or the model is another one */
function checkSameRun({ description }: PlannedRun, { directory, manifest }: Checkpoint): void {
  const { dataset, model } = manifest.description
  if (description.dataset.fingerprint !== dataset.fingerprint)
    throw new ConvoyError(
      'usage',
      `--data: ${directory} was trained on ${dataset.name} (${dataset.fingerprint.slice(0, 16)}), and this is another data set. Leave --data out, or begin a new run from the checkpoint with --fork.`,
    )
  if (JSON.stringify(description.model) !== JSON.stringify(model))
    throw new ConvoyError(
      'incompatible',
      `${directory} was written by Convoy ${manifest.convoy}, which builds another network of that name. Resume it with that version.`,
    )
}

function forkedState(checkpoint: Checkpoint, { description }: PlannedRun, log: Logger): TrainingState {
  const { manifest, stored, directory } = checkpoint
  if (JSON.stringify(manifest.description.model.layout) !== JSON.stringify(description.model.layout))
    throw new ConvoyError(
      'usage',
      `--fork ${directory}: its network has other tensors than that of this run. Choose the same network, and a data set with the same shape of images and number of classes.`,
    )
  const given = fromTensors(stored, manifest.description)
  const state = stateOfZeros(description)
  const isComplete = takeOver(state, given)
  const { run, position } = manifest
  log.info(
    `Beginning with the weights of ${run.directory} after step ${position.step}${isComplete ? ' and its optimizer state' : '; the optimizer is another one and begins anew'}.`,
  )
  return state
}

function ancestorOf({ manifest: { run, position, weightsSha256 } }: Checkpoint): Ancestor {
  return { run: run.directory, step: position.step, weightsSha256 }
}
