import os from 'node:os'
import type { MessagePort } from 'node:worker_threads'
import { MessageChannel, receiveMessageOnPort, Worker as Thread } from 'node:worker_threads'
import { ConvoyError } from '../../shared/errors.js'
import type { Job } from './job.js'
import { DONE, FAILED, sliceCount, sliceRange, takeSlices } from './job.js'
import type { SliceWork } from './slice-work.js'
import { doSlice } from './slice-work.js'

export interface SliceThreadsOptions {
  /** Threads besides the one that calls. */
  readonly threads: number
  /** Called once when a thread fails or ends by itself; the run cannot go on. */
  readonly onFailure?: (error: ConvoyError) => void
  /** How long to wait for a slice that a thread has taken. @default 30 000 */
  readonly patienceMs?: number
  /** What the threads run. @default slice-thread-entry.js */
  readonly entry?: URL
}

/** More would wait for memory, not for a core. */
const MAX_THREADS = 7
const PATIENCE_MS = 30_000
const LOOK_EVERY_MS = 500

/**
 * Works on long vectors slice by slice, on several cores. The calling thread does its share and waits for the rest.
 * Nothing else runs on it meanwhile, as if it did all the work itself in less time. Short vectors never leave it.
 *
 *     run ──job──▶ slice thread   take a slice, do it, take the next …
 *      │
 *      └─ take a slice, do it, take the next … ── wait until all are done
 */
export class SliceThreads {
  readonly #threads: Thread[] = []
  readonly #failures: MessagePort[] = []
  readonly #onFailure: (error: ConvoyError) => void
  readonly #patienceMs: number
  #failed: ConvoyError | undefined
  #closing = false

  constructor({ threads, onFailure, patienceMs, entry }: SliceThreadsOptions) {
    this.#onFailure = onFailure ?? (() => undefined)
    this.#patienceMs = patienceMs ?? PATIENCE_MS
    for (let index = 0; index < threads; index++) {
      this.#start(entry ?? new URL('./slice-thread-entry.js', import.meta.url))
    }
  }

  /** As many threads as cores and the length of the vectors have use for; none for short ones. */
  static threadsFor(length: number): number {
    return Math.min(os.availableParallelism(), sliceCount(length), MAX_THREADS + 1) - 1
  }

  /** For a run whose vectors have this length. @param onFailure see {@link SliceThreadsOptions} */
  static forLength(length: number, onFailure: (error: ConvoyError) => void): SliceThreads {
    return new SliceThreads({ threads: SliceThreads.threadsFor(length), onFailure })
  }

  /** @returns float32 zeros, `[length]`: in memory that all threads see, if there are any and the vector is long */
  allocate(length: number): Float32Array {
    const isShared = this.#threads.length > 0 && sliceCount(length) > 1
    return new Float32Array(isShared ? new SharedArrayBuffer(4 * length) : new ArrayBuffer(4 * length))
  }

  /**
   * Does all of the work.
   * @param length elements that are worked on; all vectors come from {@link allocate}
   * @returns the results of the slices, in vector order
   * @throws ConvoyError('internal') when a thread fails
   */
  run(work: SliceWork, length: number): Float64Array {
    const slices = sliceCount(length)
    if (this.#threads.length === 0 || slices === 1) {
      return Float64Array.from({ length: slices }, (_, slice) => doSlice(work, ...sliceRange(slice, length)))
    }
    assertShared(work)
    const counters = new Int32Array(new SharedArrayBuffer(16))
    const results = new Float64Array(new SharedArrayBuffer(8 * slices))
    const job: Job = { work, length, counters, results }
    for (const thread of this.#threads) thread.postMessage(job)
    takeSlices(job)
    this.#waitFor(job)
    return results
  }

  /** See {@link firstBadValue}. */
  firstBadValue(vector: Float32Array): number {
    return this.run({ kind: 'find-bad', vector }, vector.length).find((index) => index >= 0) ?? -1
  }

  /** Reads a whole file into a vector. @returns false when it is too short */
  readonly fill = (descriptor: number, vector: Float32Array): boolean =>
    this.run({ kind: 'read', descriptor, vector }, vector.length).every((missing) => missing === 0)

  async close(): Promise<void> {
    this.#closing = true
    await Promise.all(this.#threads.map(async (thread) => thread.terminate()))
  }

  #start(entry: URL): void {
    const { port1, port2 } = new MessageChannel()
    const thread = new Thread(entry, { workerData: { failures: port2 }, transferList: [port2], name: 'slices' })
    port1.unref()
    thread.unref()
    thread.once('error', (error) => {
      this.#fail(ConvoyError.from(error).message)
    })
    thread.once('exit', (status) => {
      this.#fail(`it ended by itself with status ${status}`)
    })
    this.#threads.push(thread)
    this.#failures.push(port1)
  }

  /** For slices that other threads took. */
  #waitFor({ counters, results }: Job): void {
    let silentMs = 0
    for (let done; (done = Atomics.load(counters, DONE)) < results.length;) {
      if (Atomics.load(counters, FAILED) !== 0) throw this.#fail(this.#reason())
      // In short waits: while this process is stopped, no time of a thread passes either.
      silentMs = Atomics.wait(counters, DONE, done, LOOK_EVERY_MS) === 'timed-out' ? silentMs + LOOK_EVERY_MS : 0
      if (silentMs >= this.#patienceMs) throw this.#fail(`it did not finish a slice in ${this.#patienceMs / 1000} s`)
    }
  }

  #reason(): string {
    for (const port of this.#failures) {
      const received = receiveMessageOnPort(port) as { message: string } | undefined
      if (received) return received.message
    }
    return 'it gave no reason'
  }

  #fail(why: string): ConvoyError {
    const error = new ConvoyError('internal', `A thread that works on slices of the vectors failed: ${why}.`)
    if (this.#failed === undefined && !this.#closing) this.#onFailure((this.#failed = error))
    return this.#failed ?? error
  }
}

/** A vector of this thread's own would be copied to the others, and what they write there would be lost. */
function assertShared(work: SliceWork): void {
  for (const value of Object.values(work.kind === 'update' ? { ...work, ...work.step.vectors } : work) as unknown[]) {
    if (value instanceof Float32Array && !(value.buffer instanceof SharedArrayBuffer))
      throw new ConvoyError('internal', `a vector to ${work.kind} is not in shared memory`)
  }
}
