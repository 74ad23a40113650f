import { createHash } from 'node:crypto'
import type { RunConfig } from '../model/config/run-config.js'
import { bytesOf } from '../shared/bytes-of.js'
import type { EvaluationResult } from '../training/run-events.js'
import type { TrainingState } from '../training/training-state.js'
import type { Disk } from './disk.js'
import { crcOf } from './journal-format.js'
import type { StepDetails } from './segment-reader.js'
import { SegmentWriter } from './segment-writer.js'
import { journalIn, segmentAt } from './segments.js'
import { makeSynced } from './write-checkpoint.js'

/** off: no journal. on: written as steps are applied, survives the death of the coordinator. sync: also a crash of the machine. */
export const JOURNAL_MODES = ['off', 'on', 'sync'] as const
export type JournalMode = (typeof JOURNAL_MODES)[number]

/**
 * A journal that grows faster would keep a usual disk busy: resnet18 adds 45 MB a step. A crash then costs the steps since the newest
 * checkpoint, which are computed again.
 */
export const MAX_DEFAULT_STEP_BYTES = 64 * 2 ** 20

/** The mode of a run that names none. @param stepBytes what a step adds to the journal */
export function defaultJournalMode(stepBytes: number): JournalMode {
  return stepBytes <= MAX_DEFAULT_STEP_BYTES ? 'on' : 'off'
}

export interface JournalOptions {
  readonly runDirectory: string
  readonly mode: Exclude<JournalMode, 'off'>
  readonly config: RunConfig
  /** Floats of a reduced gradient vector. */
  readonly vectorLength: number
  /** Called when the journal cannot be written; it is off then until {@link Journal.cut} succeeds. */
  readonly onFailure: (error: Error) => void
  readonly disk: Disk
}

/**
 * The step journal: the reduced gradient of each step, appended before it is applied. After a crash, the newest checkpoint and the journal
 * give the weights of the last step, with the optimizer's arithmetic alone.
 */
export class Journal {
  readonly #options: JournalOptions
  readonly #configSha256: string
  #writer: SegmentWriter | undefined

  constructor(options: JournalOptions) {
    this.#options = options
    this.#configSha256 = configSha256(options.config)
  }

  /** Whether steps are journaled now. */
  get isOn(): boolean {
    return this.#writer !== undefined
  }

  /** Bytes of the segment that grows. */
  get bytes(): number {
    return this.#writer?.bytes ?? 0
  }

  /** Ends the journal, because it may grow no further. {@link cut} begins it again. */
  async giveUp(reason: string): Promise<void> {
    await this.#attempt(() => Promise.reject(new Error(reason)))
  }

  /**
   * Goes on with a segment that was replayed. Not with `sync`: a kill, or a fault of the disk, may have kept frames of it from the disk.
   * @param bytes where its whole frames end
   */
  async reopen(file: string, bytes: number): Promise<void> {
    await this.#attempt(async () => {
      this.#writer = await SegmentWriter.reopen(file, bytes, this.#options.disk)
    })
  }

  /** Begins a new segment: a checkpoint of this state is being written. */
  async cut({ step, weights }: Pick<TrainingState, 'step' | 'weights'>): Promise<void> {
    const { runDirectory, mode, vectorLength, disk } = this.#options
    const header = {
      ...{ vectorLength, baseStep: step, configSha256: this.#configSha256 },
      weightsCrc: crcOf(bytesOf(weights)),
    }
    await this.close()
    await this.#attempt(async () => {
      makeSynced(journalIn(runDirectory), disk)
      this.#writer = await SegmentWriter.create(segmentAt(runDirectory, step), header, mode === 'sync', disk)
    })
  }

  /** Appends a step. The vector may change again when this settles. @param step steps applied before it */
  async appendStep(step: number, details: StepDetails, vector: Float32Array): Promise<void> {
    await this.#attempt(async () => this.#writer?.appendStep(step, details, vector))
  }

  /** Appends the validation of the weights after a step. */
  async appendValidation(result: EvaluationResult): Promise<void> {
    await this.#attempt(async () => this.#writer?.appendValidation(result))
  }

  /** What a file server could not take before may be reported now. */
  async close(): Promise<void> {
    const writer = this.#writer
    this.#writer = undefined
    await this.#attempt(async () => writer?.close())
  }

  /** After a gap nothing more can be replayed, so nothing more is appended. */
  async #attempt(write: () => Promise<unknown>): Promise<void> {
    try {
      await write()
    } catch (error) {
      const writer = this.#writer
      this.#writer = undefined
      await writer?.close().catch(() => undefined)
      this.#options.onFailure(error as Error)
    }
  }
}

/** Identifies a configuration: replayed with another one, steps would give other weights. @returns hex */
export function configSha256(config: RunConfig): string {
  return createHash('sha256').update(JSON.stringify(config)).digest('hex')
}
