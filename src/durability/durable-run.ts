import { gradientLength } from '../model/parameter-layout.js'
import { ConvoyError } from '../shared/errors.js'
import { formatBytes } from '../shared/units.js'
import type { ReducedDetails } from '../training/trainer-options.js'
import { epochsAfter } from '../training/trainer.js'
import type { Snapshot, TrainingState } from '../training/training-state.js'
import { toTensors } from '../training/training-state-tensors.js'
import { isCheckpointDue } from './checkpoint-policy.js'
import type { CheckpointOrder, CheckpointWriter } from './checkpoint-thread.js'
import { CheckpointThread } from './checkpoint-thread.js'
import { checkpointAt, pruneCheckpoints } from './checkpoints.js'
import type { Disk } from './disk.js'
import { realDisk } from './disk.js'
import type { CheckpointOutcome, DurableRunOptions } from './durable-run-options.js'
import { Journal } from './journal.js'
import type { RestoredState } from './restore-state.js'
import { pruneSegments, removeJournal } from './segments.js'

/** A journal of this size is cut by a checkpoint, unless it has fewer than {@link MIN_JOURNAL_STEPS}: a restart replays it in about a second. */
const MAX_JOURNAL_BYTES = 512 * 2 ** 20
const MIN_JOURNAL_STEPS = 50
/** Free room at which writing is tried again, in vectors: a checkpoint has up to five, the models that a run reserves room for have six. */
const ROOM_VECTORS = 24
/** The journal may grow to this many times the size at which it is cut, while checkpoints fail. */
const MAX_SEGMENTS = 4
/** A checkpoint that failed is tried again after this time. */
const RETRY_MS = 10_000

/**
 * Keeps a run on disk: the journal of each step, and a checkpoint now and then. A fault of the disk never ends the run: it is reported, and
 * the last good checkpoint stays.
 */
export class DurableRun {
  readonly #options: DurableRunOptions
  readonly #disk: Disk
  readonly #writer: CheckpointWriter
  readonly #journal: Journal | undefined
  #last = { step: 0, ms: 0 }
  #failedMs: number | undefined
  /** Of the segments since the last checkpoint that was written, without the one that grows. */
  #earlierBytes = 0
  /** How often the journal was not continued so far: its steps from there on can only be replayed on a checkpoint after it. */
  #gaps = 0
  /** How many of these a checkpoint on disk has made good. */
  #closedGaps = 0
  /** The checkpoint that is being written. */
  #writing: Promise<void> | undefined
  /** The first one, if steps are computed while it is written. */
  #beginning: Promise<void> | undefined
  /** Of the newest checkpoint. Undefined: it is from before this process. */
  #outcome: Promise<CheckpointOutcome> | undefined

  constructor(options: DurableRunOptions) {
    const { runDirectory, run, version, description, ancestor, journal, observer, disk = realDisk } = options
    const facts = { convoy: version, run, description, ancestor }
    this.#options = options
    this.#disk = disk
    this.#writer = options.writerFor?.(facts) ?? new CheckpointThread(facts)
    if (journal !== 'off' && options.every.kind !== 'off')
      this.#journal = new Journal({
        ...{ runDirectory, mode: journal, config: description.config, disk },
        onFailure: (error) => {
          this.#gaps++
          observer.onJournalFailed(error)
        },
        vectorLength: gradientLength(description.model.layout),
      })
  }

  /**
   * Begins with the state of a run that has no checkpoint yet. It has one before its first step, or the journal would be of no use. Without a
   * journal, steps are computed while it is written.
   */
  readonly begin = async (state: TrainingState): Promise<void> => {
    if (!this.isOn) return
    if (this.hasJournal) {
      await this.#beginWith(state)
      return
    }
    await this.#checkpoint(state)
    this.#beginning = this.#writing
  }

  /**
   * Goes on after a restart, on the checkpoint and the journal that the state was restored from.
   * @param hasChanged the configuration is not that of the checkpoint: a new one is on disk before the first step
   */
  async goOn({ state, checkpoint, end }: RestoredState, hasChanged: boolean): Promise<void> {
    const { step } = checkpoint.manifest.position
    this.#outcome = Promise.resolve({ step, directory: checkpointAt(this.#options.runDirectory, step) })
    this.#last = { step, ms: this.#options.now() }
    if (!this.isOn) return
    // The system may have in memory what it could not write: with `sync`, what was replayed need not be on the disk.
    if (hasChanged || this.#options.journal === 'sync') {
      await this.#beginWith(state)
      return
    }
    if (end !== undefined) await this.#journal?.reopen(end.file, end.bytes)
    // Steps that were computed without a journal, or after a gap in it.
    if (this.#journal !== undefined && !this.#journal.isOn) {
      this.#gaps++
      await this.#checkpoint(state)
    }
  }

  /** See TrainerHooks. */
  readonly onReduced = async (step: number, details: ReducedDetails, sum: Float32Array): Promise<void> => {
    const journal = this.#journal
    if (journal === undefined) return
    await journal.appendStep(step, details, sum)
    if (!journal.isOn) return
    const bytes = this.#earlierBytes + journal.bytes
    if (this.#gaps === this.#closedGaps) this.#options.observer.onJournal(bytes)
    // Checkpoints fail, so nothing is removed.
    if (bytes > MAX_SEGMENTS * Math.max(MAX_JOURNAL_BYTES, MIN_JOURNAL_STEPS * sum.byteLength))
      await journal.giveUp(`it has ${formatBytes(bytes)}, and no checkpoint can be written`)
  }

  /** Journals a validation that is part of the state. */
  async keepValidation({ validation }: Snapshot): Promise<void> {
    await this.#journal?.appendValidation(validation)
  }

  /**
   * See TrainerHooks. Begins a checkpoint if one is due. The run does not wait until it is written, but for the one before it: that which the
   * run began with, and that of the last epoch when each is to have one.
   */
  readonly onStepDone = (state: TrainingState): Promise<void> | undefined => {
    if (!this.#isDue(state)) return undefined
    return this.#writing === undefined
      ? this.#checkpoint(state)
      : this.#writing.then(async () => this.#checkpoint(state))
  }

  /**
   * Begins a checkpoint, unless this step has one. One that is being written is written first.
   * @returns as soon as the state may change: what becomes of the checkpoint
   */
  async take(state: TrainingState): Promise<{ readonly outcome: Promise<CheckpointOutcome> }> {
    const isNew = this.#outcome === undefined || this.#last.step !== state.step || this.#failedMs !== undefined
    if (isNew) {
      await this.#writing
      await this.#checkpoint(state)
    }
    return { outcome: this.#outcome! }
  }

  /** Makes a checkpoint, unless this step has one, and waits until it is on disk or has failed. */
  async checkpointNow(state: TrainingState): Promise<void> {
    await this.#writing
    if (this.isOn) await (await this.take(state)).outcome
  }

  /** The run is over: its last checkpoint takes the place of the journal. */
  async finish(state: TrainingState): Promise<void> {
    await this.checkpointNow(state)
    await this.#journal?.close()
    if (!this.isOn || this.#failedMs !== undefined) return
    // A coordinator that was killed may have left some behind its checkpoint of this step.
    this.#prune(state.step, state.best?.step)
    this.#remove(() => {
      removeJournal(this.#options.runDirectory, this.#disk)
    })
  }

  /** Settles when no checkpoint is being written. */
  async settled(): Promise<void> {
    await this.#writing
  }

  /** Settles when nothing is written any more. */
  async close(): Promise<void> {
    await this.settled()
    await this.#journal?.close()
    await this.#writer.close()
  }

  /** Whether steps are to be journaled, whether or not the disk takes them. */
  get hasJournal(): boolean {
    return this.#journal !== undefined
  }

  /** Whether the run makes checkpoints. */
  get isOn(): boolean {
    return this.#options.every.kind !== 'off'
  }

  #isDue(state: TrainingState): boolean {
    const { every, now, description, trainSamples } = this.#options
    if (!this.isOn) return false
    const epochs = (step: number): number => Math.floor(epochsAfter(step, description.config, trainSamples))
    const endsEpoch = epochs(state.step) > epochs(this.#last.step)
    if (this.#writing !== undefined && this.#writing !== this.#beginning) return every.kind === 'epoch' && endsEpoch
    if (this.#failedMs !== undefined) return now() - this.#failedMs >= RETRY_MS && this.#hasRoom()
    // After a gap in the journal, a checkpoint begins a new segment.
    if (this.hasJournal && !this.#journal!.isOn && now() - this.#last.ms >= RETRY_MS) return this.#hasRoom()
    const steps = state.step - this.#last.step
    const isJournalFull =
      steps >= MIN_JOURNAL_STEPS && this.#journal !== undefined && this.#journal.bytes >= MAX_JOURNAL_BYTES
    return isJournalFull || isCheckpointDue(every, { steps, ms: now() - this.#last.ms, endsEpoch })
  }

  /** Room on a disk that was full belongs to the models and the result first; they are smaller than this. */
  #hasRoom(): boolean {
    const { runDirectory, description } = this.#options
    try {
      const { bavail, bsize } = this.#disk.statfsSync(runDirectory)
      return bavail * bsize >= ROOM_VECTORS * 4 * gradientLength(description.model.layout)
    } catch {
      // Not known; the attempt to write says what is wrong.
      return true
    }
  }

  /** Waits for the checkpoint that the journal begins with. */
  async #beginWith(state: TrainingState): Promise<void> {
    this.#gaps++
    await this.#checkpoint(state)
    await this.#writing
  }

  /** Copies the state, begins a new segment of the journal, and lets the thread write. Settles before that is done. */
  async #checkpoint(state: TrainingState): Promise<void> {
    const { now } = this.#options
    const order = this.#orderFor(state)
    this.#last = { step: state.step, ms: now() }
    this.#failedMs = undefined
    this.#earlierBytes += this.#journal?.bytes ?? 0
    const gaps = this.#gaps
    await this.#journal?.cut(state)
    this.#outcome = this.#write(order, state.best?.step, gaps)
    this.#writing = this.#outcome.then(() => {
      this.#writing = undefined
    })
  }

  #orderFor(state: TrainingState): CheckpointOrder {
    const { runDirectory, description, trainSamples, deviceFingerprint } = this.#options
    const { tensors, values } = toTensors(state)
    const { step } = state
    const { batchSize, seed } = description.config
    return {
      directory: checkpointAt(runDirectory, step),
      vectors: Object.fromEntries(Object.entries(tensors).map(([name, vector]) => [name, new Float32Array(vector)])),
      dynamic: {
        position: {
          ...{ step, samplesSeen: step * batchSize, seed },
          epoch: epochsAfter(step, description.config, trainSamples),
        },
        ...{ values, deviceFingerprint: deviceFingerprint() },
      },
    }
  }

  /** @param gaps of the journal before this checkpoint */
  async #write(order: CheckpointOrder, bestStep: number | undefined, gaps: number): Promise<CheckpointOutcome> {
    const { observer, now, onRecorded } = this.#options
    const { directory, dynamic } = order
    const { step } = dynamic.position
    const startedMs = now()
    try {
      await onRecorded()
      const bytes = await this.#writer.write(order)
      this.#earlierBytes = 0
      this.#closedGaps = gaps
      observer.onCheckpoint(step, bytes, (now() - startedMs) / 1000)
    } catch (error) {
      this.#failedMs = now()
      observer.onCheckpointFailed(step, error as Error)
      return { step, directory, failure: ConvoyError.from(error).message }
    }
    this.#prune(step, bestStep)
    return { step, directory }
  }

  /** Removes the checkpoints that are not to stay, and their journal. */
  #prune(step: number, bestStep: number | undefined): void {
    const { runDirectory, keep } = this.#options
    this.#remove(() => {
      const { kept, failure } = pruneCheckpoints(runDirectory, keep, bestStep, step, this.#disk)
      pruneSegments(runDirectory, Math.min(...kept), this.#disk)
      if (failure !== undefined) throw failure as Error
    })
  }

  /** What cannot be removed ends no run, and makes no checkpoint a failed one. */
  #remove(remove: () => void): void {
    try {
      remove()
    } catch (error) {
      this.#options.observer.onPruneFailed(error as Error)
    }
  }
}
