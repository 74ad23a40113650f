import type { DeviceDescription } from '../tensorflow/engine/engine.js'
import type { DatasetInfo, SplitName } from '../data/dataset.js'
import type { Phase } from '../metrics/phases.js'
import type { RejectionCode } from '../shared/rejection.js'
import type { RetryCause } from '../scheduler/scheduler-events.js'
import type { Evaluation } from '../model/objectives/evaluation.js'
import type { RunConfig } from '../model/config/run-config.js'

/** Properties of a worker that never change while it takes part. */
export interface WorkerIdentity {
  /** Unique within the run; never used twice. */
  readonly id: number
  /** Unique among the workers that take part; given by `--name`, or made from the host name. */
  readonly name: string
  /** With its fingerprint: devices with the same one compute the same bits. */
  readonly device: DeviceDescription
}

/** An evaluation of a run. */
export interface EvaluationResult extends Evaluation {
  readonly split: SplitName
  /** Steps applied before this evaluation. */
  readonly step: number
  readonly durationMs: number
}

/** Weights that a run leaves behind, and how good they are. */
export interface WeightsSummary {
  /** Steps that made them. */
  readonly step: number
  /** sha256 (hex) of the flat float32 vector, little-endian. */
  readonly sha256: string
  /** Measured on the validation split. Absent: that has no samples. */
  readonly validation?: Pick<EvaluationResult, 'accuracy' | 'loss'>
}

/** An evaluation in a run's result, with the name of its weights. */
export type BestEvaluation = EvaluationResult & { readonly weights: 'best' }

/** Times of a run that predict those of others. */
export interface RunTiming {
  /** Mean time of a training shard on a worker's compute thread; 0: never measured. */
  readonly shardMs: number
  /** Relative spread of {@link shardMs} from shard to shard, as the coordinator sees them. Absent: never measured. */
  readonly shardJitter?: number
  /** Mean time that the coordinator takes to check and add one result. */
  readonly resultMs: number
  /** Mean time between the last result of a step and the first lease of the next. */
  readonly betweenStepsMs: number
  /** Size of one gradient vector in float32; with `wire: bfloat16` about half of it travels over a network. */
  readonly vectorBytes: number
}

/** What a finished run leaves in `result.json`. */
export interface RunResult {
  /** Of the last weights, as `weights.last.sha256`: equal configurations end with equal ones. */
  readonly weightsSha256: string
  /** The best by validation, and those after the last step: `model/best` and `model/last` in the run directory. */
  readonly weights: { readonly best: WeightsSummary; readonly last: WeightsSummary }
  readonly steps: number
  /** `earlyStopping` or a callback ended the run before its last step. Absent: they did not. */
  readonly stoppedEarly?: true
  /** A callback of the user's did it. Absent: `earlyStopping`, or nothing. */
  readonly stoppedBy?: 'callback'
  readonly samplesSeen: number
  /** Training samples per second of training time (evaluation excluded), over the whole run. */
  readonly samplesPerSecond: number
  /** Most workers that computed at the same time. */
  readonly workers: number
  readonly seconds: number
  /** Absent: the split has no samples. */
  readonly validation?: BestEvaluation
  /** Likewise. */
  readonly test?: BestEvaluation
  /** `weights.best.step` */
  readonly bestStep: number
  readonly dataset: string
  readonly datasetFingerprint: string
  /** Origin of the data set, for people, such as the path that it was imported from. */
  readonly datasetFrom?: string | undefined
  readonly classNames: readonly string[]
  /** Of one sample: `[height, width, channel]` of an image. */
  readonly inputShape: readonly number[]
  readonly config: RunConfig
  /** Leases given again because a worker died, left or failed. */
  readonly reissued: number
  /** What `convoy simulate --from` predicts other runs with. */
  readonly timing: RunTiming
}

/** The reason of a worker that left and was not lost. */
export const LEFT_ON_REQUEST = 'on request'

/** The events of a run: terminal, log, metrics.jsonl, TensorBoard, Prometheus and page all read this stream. */
export type RunEvent =
  | {
      readonly kind: 'started'
      readonly config: RunConfig
      readonly dataset: DatasetInfo
      readonly splitSizes: Readonly<Record<SplitName, number>>
      readonly totalSteps: number
      readonly stepsPerEpoch: number
      readonly parameterCount: number
    }
  /** The run goes on after its coordinator ended. Emitted after `started`. */
  | {
      readonly kind: 'resumed'
      /** Steps that are done. */
      readonly step: number
      readonly epoch: number
      /** Steps in the checkpoint; those after it come from the step journal. */
      readonly checkpointStep: number
    }
  /**
   * No worker can compute; the run waits for one. Emitted when the last worker leaves, and at the start when none has joined after a
   * while.
   */
  | {
      readonly kind: 'waiting'
      /** Own workers that are starting: this is no fault yet. Absent: none. */
      readonly starting?: number | undefined
    }
  /** Asked to pause: no step is made until `continued`. */
  | {
      readonly kind: 'paused'
      /** Steps that are done. */
      readonly step: number
    }
  /** A paused run goes on, or was asked to stop: then it is evaluated. */
  | {
      readonly kind: 'continued'
      readonly step: number
      /** Since `paused`. */
      readonly seconds: number
    }
  | { readonly kind: 'worker-joined'; readonly worker: WorkerIdentity; readonly workers: number }
  | {
      readonly kind: 'worker-left'
      readonly worker: WorkerIdentity
      readonly reason: string
      readonly workers: number
      /** Training samples whose gradients counted. Absent in runs of older versions. */
      readonly samples?: number
    }
  | {
      readonly kind: 'step'
      /** Steps applied so far: 1 after the first. */
      readonly step: number
      /** Epochs of samples used so far, fractional. */
      readonly epoch: number
      /** Mean over the batch, label smoothing included, L2 excluded. */
      readonly loss: number
      /** Of the batch. Absent without classes, and with several outputs. */
      readonly accuracy?: number
      /** Other means over the batch, by name: `mae`; with several outputs the measures of each. */
      readonly metrics?: Readonly<Record<string, number>>
      readonly learningRate: number
      /** L2 norm of the averaged gradient before clipping. */
      readonly gradientNorm: number
      readonly durationMs: number
      /** The coordinator's share of it. Without a journal there is no time of it. */
      readonly phaseSeconds: Readonly<Record<Extract<Phase, 'wait' | 'reduce' | 'apply' | 'publish'>, number>> & {
        readonly journal?: number
      }
      readonly workers: number
      /** Applied by an earlier coordinator, and read from the step journal: `apply` is the time of the replay. */
      readonly replayed?: true
    }
  /** Progress of an evaluation, in samples; 0 when it begins. */
  | { readonly kind: 'evaluating'; readonly split: SplitName; readonly done: number; readonly total: number }
  /** `best`: of the best weights so far, see isBetter. The test at the end is of the best weights of all. */
  | {
      readonly kind: 'evaluated'
      readonly result: EvaluationResult
      readonly epoch: number
      readonly best: boolean
      /** `plateau` reduces the learning rate of all further steps. Absent: it does not. */
      readonly reducesRate?: true
      /** By an earlier coordinator, and read from the step journal. */
      readonly replayed?: true
    }
  /** Shards of a worker were given to others. */
  | {
      readonly kind: 'reissued'
      readonly workerId: number
      readonly shards: number
      readonly cause: RetryCause
      readonly reason: string
    }
  /** A worker's result does not count. `code` is absent in runs of older versions. */
  | {
      readonly kind: 'refused'
      readonly code?: RejectionCode | undefined
      readonly reason: string
      readonly worker: WorkerIdentity
    }
  /** An idle worker recomputes the late shards of another; the first result counts. */
  | { readonly kind: 'rescued'; readonly workerId: number; readonly lateId: number; readonly shards: number }
  /** This worker gets no leases for this long; null: for the rest of the run. */
  | { readonly kind: 'quarantined'; readonly name: string; readonly seconds: number | null; readonly reason: string }
  /**
   * A block was computed twice and compared. mismatch: a third result decided which was right. unverified: no worker was left to
   * compute it again. disputed: results differ, and the run waits for a worker whose result decides.
   */
  | { readonly kind: 'audited'; readonly outcome: 'agreed' | 'mismatch' | 'unverified' | 'disputed' }
  | { readonly kind: 'finished'; readonly result: RunResult }

export type RunObserver = (event: RunEvent) => void
