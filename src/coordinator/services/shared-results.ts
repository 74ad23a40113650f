import { ConvoyError } from '../../shared/errors.js'
import { threadsFor } from '../../shared/native-loops.js'
import type { Refusal } from '../../shared/protocol/messages.js'
import type { SharedFiles } from '../../shared/shared-files.js'
import { mappedResultLength, resultFile } from '../../shared/shared-files.js'
import { markResult } from '../result-marks.js'
import type { WorkerPool } from '../worker-pool.js'

export interface SharedResultsOptions {
  readonly pool: WorkerPool
  /** Undefined: there are none. */
  readonly files: SharedFiles | undefined
  /** Floats of the longest result. */
  readonly longest: () => number
  /** Called with the bytes of each result. */
  readonly onTaken: (bytes: number) => void
}

/** The results that workers of this machine leave in shared files. */
export class SharedResults {
  readonly #options: SharedResultsOptions
  /** The files of workers that are mapped: results are added where they lie. */
  readonly #mapped = new Map<number, Float32Array>()

  constructor(options: SharedResultsOptions) {
    this.#options = options
  }

  /**
   * Takes the result of a lease. The coordinator makes the name of the file: no peer chooses what is read.
   * @returns why it is not used, if so
   * @throws ConvoyError('protocol') when the file is missing or has another length; as {@link SharedFiles.read}
   */
  take(worker: number, lease: number): Refusal | undefined {
    const { pool, onTaken } = this.#options
    markResult('there', worker)
    const length = pool.expected(worker, lease)?.vectorLength
    if (length === undefined) return pool.reject(worker, lease, { code: 'stale', reason: 'stale' })
    onTaken(4 * length)
    const mapped = this.#map(worker)?.subarray(0, length)
    return mapped ? pool.result(worker, lease, mapped, true) : pool.result(worker, lease, this.#read(worker, length))
  }

  /** Removes the file of a worker that left. */
  remove(worker: number): void {
    this.#mapped.delete(worker)
    this.#options.files?.remove(resultFile(worker))
  }

  /** @returns all of a worker's file; undefined when it cannot be mapped here, or by the worker */
  #map(worker: number): Float32Array | undefined {
    const { files, longest } = this.#options
    const mapped = this.#mapped.get(worker) ?? files?.map(resultFile(worker), mappedResultLength(longest()), 1)
    if (mapped) this.#mapped.set(worker, mapped)
    return mapped
  }

  #read(worker: number, length: number): Float32Array {
    const { pool, files, longest } = this.#options
    const vector = pool.vectors.take(length)
    if (files?.read(resultFile(worker), vector, threadsFor(length), mappedResultLength(longest()))) return vector
    throw new ConvoyError('protocol', `worker ${worker} shares no file`)
  }
}
