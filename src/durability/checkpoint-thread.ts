import { Worker as Thread } from 'node:worker_threads'
import type { StoredState } from '../training/training-state-tensors.js'
import type { CheckpointManifest } from './checkpoint-manifest.js'

/** What all checkpoints of a run have in common. */
export type RunFacts = Pick<CheckpointManifest, 'convoy' | 'run' | 'description' | 'ancestor'>

/** A checkpoint to be written. */
export interface CheckpointOrder {
  /** Its path. */
  readonly directory: string
  /** Copies, which the thread takes over. */
  readonly vectors: StoredState['tensors']
  readonly dynamic: Pick<CheckpointManifest, 'position' | 'values' | 'deviceFingerprint'>
}

/** Writes checkpoints off the hot path. */
export interface CheckpointWriter {
  /**
   * Writes a checkpoint. Call it again when the promise has settled.
   * @returns bytes written
   * @throws the system's error, with its code
   */
  readonly write: (order: CheckpointOrder) => Promise<number>
  readonly close: () => Promise<void>
}

export type CheckpointReply =
  | { readonly bytes: number; readonly failure?: undefined }
  | { readonly bytes?: undefined; readonly failure: { readonly message: string; readonly code: string | undefined } }

/** V8 reserves address space for code, which may be limited; the vectors are outside its heap. */
const LIMITS = { codeRangeSizeMb: 16 }

/** A thread that hashes, writes and syncs checkpoints, one at a time: a step never waits for a disk. */
export class CheckpointThread implements CheckpointWriter {
  readonly #facts: RunFacts
  #thread: Thread | undefined
  /** Settle the write that goes on. */
  #resolve: (bytes: number) => void = () => undefined
  #reject: (error: Error) => void = () => undefined

  constructor(facts: RunFacts) {
    this.#facts = facts
  }

  /** @throws also the error of a thread that ended */
  async write(order: CheckpointOrder): Promise<number> {
    this.#thread ??= this.#start()
    const buffers = Object.values(order.vectors).map(({ buffer }) => buffer as ArrayBuffer)
    this.#thread.ref()
    this.#thread.postMessage(order, buffers)
    try {
      return await new Promise((resolve, reject) => {
        this.#resolve = resolve
        this.#reject = reject
      })
    } finally {
      this.#thread?.unref()
    }
  }

  async close(): Promise<void> {
    await this.#thread?.terminate()
  }

  #start(): Thread {
    const entry = new URL('./checkpoint-thread-entry.js', import.meta.url)
    const thread = new Thread(entry, { workerData: this.#facts, name: 'checkpoints', resourceLimits: LIMITS })
    thread.on('message', ({ bytes, failure }: CheckpointReply) => {
      if (failure === undefined) this.#resolve(bytes)
      else this.#reject(Object.assign(new Error(failure.message), failure))
    })
    thread.once('error', (error) => {
      this.#reject(error)
    })
    thread.once('exit', () => {
      this.#thread = undefined
      this.#reject(new Error('the thread that writes checkpoints ended by itself'))
    })
    return thread
  }
}
