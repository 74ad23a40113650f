import type { DeviceDescription } from '../tensorflow/engine/engine.js'
import type { PhaseReport } from '../metrics/phases.js'
import type { RunDescription } from '../model/run-description.js'
import type { LeaseMessage } from '../shared/protocol/messages.js'
import type { SharedFilesOffer } from '../shared/shared-files.js'

/** Messages from the main thread to the compute thread. Vectors are transferred, not copied. */
export type ToCompute =
  | {
      readonly kind: 'prepare'
      readonly description: RunDescription
      /** Of this membership; names its result files. */
      readonly worker: number
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
  /** Newer weights than these are wanted over the network. */
  | { readonly kind: 'want-weights'; readonly haveVersion: number }
  | { readonly kind: 'progress'; readonly shardsDone: number; readonly tensors: number; readonly tensorBytes: number }
  /** Times of the phases since `prepare`; sent after each lease. */
  | { readonly kind: 'phases'; readonly phases: readonly PhaseReport[] }
  /** A result without `vector` lies in a shared file. `sharingProblem`: why it could not be written there. */
  | {
      readonly kind: 'result'
      readonly lease: number
      readonly bytes: number
      readonly vector?: Float32Array<ArrayBuffer>
      readonly sharingProblem?: string
    }
  | { readonly kind: 'failed'; readonly lease: number; readonly reason: string }
