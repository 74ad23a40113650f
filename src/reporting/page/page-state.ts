import type { Phase } from '../../metrics/phases.js'
import type { RunConfig } from '../../model/config/run-config.js'
import type { WorkerSnapshot } from '../../coordinator/worker-snapshot.js'
import type { CheckpointStatus } from '../../shared/protocol/messages.js'
import type { JournalState } from '../run-progress.js'
import type { Kernels } from './inspection.js'

/** The part of a run's description that the page shows before the first step. Sizes in images. */
export interface RunHeader {
  readonly runDirectory: string
  readonly startedSeconds: number
  readonly network: string
  readonly config: RunConfig
  /** Name and value, in words: see hyperparameters.ts. */
  readonly hyperparameters: readonly (readonly [name: string, value: string])[]
  readonly dataset: string
  /** sha256 over shape, class names, labels and pixels. */
  readonly datasetFingerprint: string
  /** `[height, width, channels]` */
  /** Absent: the samples are no images. */
  readonly imageShape?: readonly [number, number, number]
  /** For people, such as `32x32x3`. */
  readonly sampleShape: string
  /** Empty: the run learns numbers. */
  readonly classNames: readonly string[]
  readonly splitSizes: Readonly<Record<string, number>>
  readonly totalSteps: number
  readonly stepsPerEpoch: number
  readonly parameterCount: number
}

/** `environment.json`: command, versions and machine of a run. Runs of older versions lack fields. */
export interface RunEnvironment {
  /** Version of Convoy. */
  readonly convoy?: string
  /** Version of Node. */
  readonly node?: string
  /** Operating system, release and architecture of the coordinator's machine. */
  readonly platform?: string
  readonly cpu?: string
  readonly cores?: number
  readonly memoryBytes?: number
  /** Arguments of `convoy`. */
  readonly command?: readonly string[]
  /** ISO 8601, UTC. */
  readonly startedAt?: string
}

/** A step, or the mean over several of them; `step` and `epoch` are the last one's. Times in seconds since 1970. */
export interface StepPoint {
  readonly step: number
  readonly epoch: number
  readonly timeSeconds: number
  readonly durationMs: number
  readonly loss: number
  /** Absent without classes. */
  readonly accuracy?: number
  readonly learningRate: number
  readonly gradientNorm: number
  readonly workers: number
}

export interface EvaluationPoint {
  readonly split: string
  readonly step: number
  readonly epoch: number
  readonly loss: number
  /** Absent without classes. */
  readonly accuracy?: number
  /** Absent where there are classes. */
  readonly metrics?: Readonly<Record<string, number>>
  /** `confusion[label][prediction]`: images. Only the newest evaluation of a split keeps it. */
  readonly confusion?: readonly (readonly number[])[]
  readonly best: boolean
}

export const LINE_KINDS = ['joined', 'left', 'fault', 'note'] as const

/** An event, in a sentence. */
export interface TimelineLine {
  readonly timeSeconds: number
  readonly kind: (typeof LINE_KINDS)[number]
  readonly text: string
  /** Its worker. */
  readonly workerId?: number
}

/** From when to when a worker takes or took part. Times in seconds since 1970. */
export interface Participation {
  readonly id: number
  readonly name: string
  readonly joinedSeconds: number
  readonly leftSeconds?: number
  /** CPU or GPU model. */
  readonly device: string
  readonly deviceKind: string
  readonly tensorflowVersion: string
  /** Training samples whose gradients counted, of one that left. */
  readonly samples?: number
}

/** A WorkerSnapshot as the page and `status.json` have it: only what can be shown. */
export interface PageWorker extends Pick<WorkerSnapshot, 'id' | 'name' | 'shardsDone' | 'residentBytes' | 'tensors'> {
  readonly state: string
  /** CPU or GPU model. */
  readonly device: string
  /** Since its last message. */
  readonly heartbeatAgeSeconds: number
  /** Training samples whose gradients were used. Absent in runs of older versions. */
  readonly samples?: number
  /** Absent: not measured yet. */
  readonly stragglerRatio?: number
  readonly gpu?: { readonly utilization?: number; readonly memoryUsedBytes?: number }
}

/** Seconds in a phase since the beginning. */
export interface PhaseSeconds {
  readonly phase: Phase
  readonly seconds: number
}

/** State of the process that makes an Inspection, see inspection.ts. */
export type InspectionState =
  { readonly state: 'never' | 'running' | 'done' } | { readonly state: 'failed'; readonly reason: string }

/**
 * finished: all steps are done. stopped: asked to end early, by `convoy stop` with a result, by a signal without one.
 * interrupted: by Ctrl-C, without a result. failed: by an error.
 * unknown: without a result, and a version that did not record why.
 */
export const RUN_END_KINDS = ['finished', 'stopped', 'interrupted', 'failed', 'unknown'] as const

/** Time and kind of a run's end. */
export interface RunEnd {
  readonly kind: (typeof RUN_END_KINDS)[number]
  /** ISO 8601, UTC. */
  readonly at: string
  /** The reason of a failure, or the signal that ended the run, for people. */
  readonly reason?: string
}

/** The current status. Counts are since the beginning. */
export interface RunStatus {
  readonly timeSeconds: number
  readonly state: string
  /** Training samples of all workers together, evaluation excluded; 0: not measured yet. */
  readonly samplesPerSecond: number
  /** 0: not measured yet, or none. */
  readonly secondsLeft: number
  /** The newest one on disk. Absent: there is none, or this was read from a run directory. */
  readonly checkpoint?: CheckpointStatus
  /** The step journal. Absent: this was read from a run directory. */
  readonly journal?: JournalState
  readonly workers: readonly PageWorker[]
  readonly coordinatorPhases: readonly PhaseSeconds[]
  readonly workerPhases: readonly PhaseSeconds[]
  readonly traffic: readonly {
    readonly kind: string
    readonly direction: string
    readonly path: string
    readonly bytes: number
  }[]
  /** Of the weights now. */
  readonly kernels?: Kernels
  /** Absent while the run is going on, and in directories of older versions. */
  readonly end?: RunEnd
}

/** Weights that the run keeps: those with the best validation, or those after the last step. */
export interface KeptWeights {
  readonly step: number
  /** Of the flat float32 vector, little-endian. */
  readonly sha256?: string
  readonly validation?: { readonly accuracy?: number; readonly loss: number }
}

export type WeightsByName = Readonly<Partial<Record<'best' | 'last', KeptWeights>>>

/** The result of a run that completed its test. Runs of older versions lack fields. */
export interface RunOutcome {
  readonly steps?: number
  readonly seconds: number
  readonly samplesPerSecond: number
  /** Most workers that computed at the same time. */
  readonly workers?: number
  /** Absent without classes. */
  readonly testAccuracy?: number
  /** Absent: there was no test. */
  readonly testLoss?: number
  readonly testSamples?: number
  /** The weights that were tested. */
  readonly testWeights: 'best' | 'last'
}

/** The changes since the previous update. */
export interface Update {
  readonly points: readonly StepPoint[]
  readonly evaluations: readonly EvaluationPoint[]
  readonly lines: readonly TimelineLine[]
  /** All workers, after one joined or left. */
  readonly members?: readonly Participation[]
  readonly status?: RunStatus
  readonly looking?: InspectionState
  readonly outcome?: RunOutcome
  /** Known at the end. */
  readonly weights?: WeightsByName
}

/** The whole state, for a new page and after each break of its connection. */
export interface Snapshot extends Update {
  readonly header?: RunHeader
  readonly environment?: RunEnvironment
  /** Steps per point. */
  readonly stepsPerPoint: number
  readonly members: readonly Participation[]
}
