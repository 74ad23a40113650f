import type { RunObserver } from '../../training/run-events.js'
import type { EpochSnapshot } from '../../training/trainer-options.js'
import type { Inspection } from '../page/inspection.js'
import type { LossObserver } from '../page/report-file.js'
import type { RunIdentity } from '../run-identity.js'

/** Where a run goes on whose coordinator ended. */
export interface Resumption {
  /** Steps that are done. */
  readonly step: number
  /** Step of the last validation that is part of the state; undefined: none is. */
  readonly validatedStep: number | undefined
}

export interface SinkContext {
  /** The run goes on: records of what is computed again are cut, and the rest goes on behind the records that are there. */
  readonly resumption?: Resumption | undefined
  readonly runDirectory: string
  readonly identity: RunIdentity
  /** Seconds since 1970. */
  readonly wallSeconds: () => number
  /** Called for records that could not be written, such as to a full disk. Nothing else may fail: the run goes on. */
  readonly onLost: LossObserver
}

/** A destination of a run's events. */
export interface RunSink {
  /** Called while workers compute; slow work belongs into the background. */
  readonly observe: RunObserver
  /** Weights and gradient at the first step, each epoch's end and the last step; they are overwritten afterwards. */
  readonly onEpoch?: (snapshot: EpochSnapshot) => void
  /** Called with each new inspection. */
  readonly onInspection?: (inspection: Inspection) => void
  /** Settles when every event so far is on the disk, or counted as lost. Awaited before a checkpoint after which no one repeats them. */
  sync?(): Promise<void>
  /** Settles when everything is written. */
  close(): Promise<void>
}

export interface SinkDefinition {
  /** For people and for the label `report` of the metrics. */
  readonly name: string
  /** @throws Error of the file system when it cannot be made */
  open(context: SinkContext): RunSink
}
