import type { Phase } from '../metrics/phases.js'
import type { Kernels } from './inspection.js'

/** What the page knows of a run before its first step. Sizes in images. */
export interface RunHeader {
  readonly runDirectory: string
  readonly startedSeconds: number
  readonly network: string
  readonly dataset: string
  readonly classNames: readonly string[]
  readonly splitSizes: Readonly<Record<string, number>>
  readonly seed: number
  readonly precision: string
  readonly batchSize: number
  readonly shardSize: number
  readonly totalSteps: number
  readonly parameterCount: number
}

/** A step, or the mean over several of them; `step` and `epoch` are the last one's. Times in seconds since 1970. */
export interface StepPoint {
  readonly step: number
  readonly epoch: number
  readonly timeSeconds: number
  readonly durationMs: number
  readonly loss: number
  readonly accuracy: number
  readonly learningRate: number
  readonly gradientNorm: number
  readonly workers: number
}

export interface EvaluationPoint {
  readonly split: string
  readonly step: number
  readonly epoch: number
  readonly loss: number
  readonly accuracy: number
  /** `confusion[label][prediction]`: images. Only the newest evaluation of a split keeps it. */
  readonly confusion?: readonly (readonly number[])[]
  readonly best: boolean
}

export const LINE_KINDS = ['joined', 'left', 'fault', 'note'] as const

/** Something that happened, in a sentence. */
export interface StoryLine {
  readonly timeSeconds: number
  readonly kind: (typeof LINE_KINDS)[number]
  readonly text: string
  /** Whom it happened to. */
  readonly workerId?: number
}

/** A worker that takes or took part. Times in seconds since 1970. */
export interface Membership {
  readonly id: number
  readonly name: string
  readonly joinedSeconds: number
  readonly leftSeconds?: number
}

export interface PageWorker {
  readonly id: number
  readonly name: string
  readonly device: string
  readonly state: string
  readonly shardsDone: number
  /** Time for a shard, relative to the fastest worker; undefined: not measured yet. */
  readonly score?: number
  readonly silentSeconds: number
  readonly residentBytes: number
  readonly tensors: number
  readonly gpu?: { readonly utilization?: number; readonly memoryUsedBytes?: number }
}

/** Seconds in a phase since the beginning. */
export interface PhaseSeconds {
  readonly phase: Phase
  readonly seconds: number
}

/** The work of a process that makes an Inspection, see inspection.ts. */
export type Looking =
  { readonly state: 'never' | 'running' | 'done' } | { readonly state: 'failed'; readonly reason: string }

/** How things stand now. Counts since the beginning. */
export interface RunStatus {
  readonly timeSeconds: number
  readonly state: string
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
}

export interface RunOutcome {
  readonly weightsSha256: string
  readonly seconds: number
  readonly samplesPerSecond: number
  readonly testAccuracy: number
  readonly testLoss: number
}

/** What is added from one update to the next. */
export interface Update {
  readonly points: readonly StepPoint[]
  readonly evaluations: readonly EvaluationPoint[]
  readonly lines: readonly StoryLine[]
  /** All of them, when one came or went. */
  readonly members?: readonly Membership[]
  readonly status?: RunStatus
  readonly looking?: Looking
  readonly outcome?: RunOutcome
}

/** All of it: what a page begins with, again after each break of its connection. */
export interface Snapshot extends Update {
  readonly header?: RunHeader
  /** Steps that a point stands for. */
  readonly stepsPerPoint: number
  readonly members: readonly Membership[]
}
