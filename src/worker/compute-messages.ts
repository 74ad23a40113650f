import type { DeviceDescription } from '../tensorflow/engine/engine.js'
import type { PhaseReport } from '../metrics/phases.js'
import type { RunDescription } from '../model/run-description.js'
import type { LeaseMessage, Refusal } from '../shared/protocol/messages.js'
import type { SharedFilesOffer } from '../shared/shared-files.js'

/** Messages from the main thread to the compute thread. Vectors are transferred, not copied. */
export type ToCompute =
  | {
      readonly kind: 'prepare'
      readonly description: RunDescription
      /** Of this membership; names its result files. */
      readonly worker: number
      /** The secret of this membership. */
      readonly session: string
      /** Where the coordinator may share files. */
      readonly sharedFiles: SharedFilesOffer | undefined
    }
  | { readonly kind: 'weights'; readonly version: number; readonly weights: Float32Array<ArrayBuffer> }
  | { readonly kind: 'lease'; readonly lease: LeaseMessage }
  | { readonly kind: 'revoke'; readonly lease: number }

export type FromCompute =
  /** TensorFlow is loaded. */
  | { readonly kind: 'device'; readonly device: DeviceDescription }
  /** Data set and engine are there for the run that `prepare` described. `sharingProblem`: why the shared files could not be opened. */
  | { readonly kind: 'prepared'; readonly shared: boolean; readonly sharingProblem?: string }
  /** Newer weights than these are wanted over the network. `spare`: the vector in which the last ones came. */
  | {
      readonly kind: 'want-weights'
      readonly haveVersion: number
      readonly spare?: Float32Array<ArrayBuffer>
    }
  /** Soon after each shard. `phases`: their times since `prepare`. */
  | {
      readonly kind: 'progress'
      readonly shardsDone: number
      readonly tensors: number
      readonly tensorBytes: number
      readonly phases: readonly PhaseReport[]
    }
  /**
   * A result without `vector` lies in a shared file. `rounded`: values of it, from the first, that are values of bfloat16.
   * `sharingProblem`: why it could not be written there.
   */
  | {
      readonly kind: 'result'
      readonly lease: number
      readonly bytes: number
      readonly vector?: Float32Array
      readonly rounded?: number
      readonly sharingProblem?: string
    }
  /** The coordinator does not use a result. */
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'failed'; readonly lease: number; readonly reason: string }
