import type { RunDescription } from '../model/run-description.js'
import type { Ancestor, CheckpointManifest } from './checkpoint-manifest.js'
import type { CheckpointEvery } from './checkpoint-policy.js'
import type { CheckpointWriter, RunFacts } from './checkpoint-thread.js'
import type { Disk } from './disk.js'
import type { JournalMode } from './journal.js'

export interface DurabilityOptions {
  readonly every: CheckpointEvery
  readonly journal: JournalMode
  /** How many of the newest checkpoints stay. */
  readonly keep: number
}

export interface DurableRunOptions extends DurabilityOptions {
  readonly runDirectory: string
  readonly run: CheckpointManifest['run']
  /** Convoy's. */
  readonly version: string
  readonly description: RunDescription
  readonly trainSamples: number
  readonly ancestor: Ancestor | null
  /** Of the device whose results count; null: none yet. */
  readonly deviceFingerprint: () => string | null
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Settles when the reports of the run have, on the disk, every event so far: no coordinator after this one could add them. */
  readonly onRecorded: () => Promise<void>
  readonly observer: DurabilityObserver
  /** @default the machine's */
  readonly disk?: Disk
  /** @default CheckpointThread */
  readonly writerFor?: (facts: RunFacts) => CheckpointWriter
}

/** What became of a checkpoint. */
export interface CheckpointOutcome {
  readonly step: number
  /** Its path. */
  readonly directory: string
  /** Why it is not on disk; undefined: it is. */
  readonly failure?: string
}

/** Hears what became of checkpoints and journal. */
export interface DurabilityObserver {
  readonly onCheckpoint: (step: number, bytes: number, seconds: number) => void
  readonly onCheckpointFailed: (step: number, error: Error) => void
  /** Old checkpoints or segments of the journal cannot be removed. They take room, and are tried again with the next checkpoint. */
  readonly onPruneFailed: (error: Error) => void
  /** A step is in the journal, and a restart gets to it. @param bytes of the journal since the last checkpoint */
  readonly onJournal: (bytes: number) => void
  readonly onJournalFailed: (error: Error) => void
}
