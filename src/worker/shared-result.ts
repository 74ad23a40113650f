import { bytesOf } from '../shared/bytes-of.js'
import { nativeLoops } from '../shared/native-loops.js'
import type { SharedFiles } from '../shared/shared-files.js'
import { mappedResultLength, resultFile } from '../shared/shared-files.js'

/** The file in which a worker leaves its results for the coordinator on its machine, see SharedResults. */
export class SharedResult {
  readonly #files: SharedFiles
  readonly #name: string
  /** Floats of the file where it can be mapped. */
  readonly #length: number
  /** All of the file, where it can be mapped. */
  #mapped: Float32Array | undefined

  /** @param worker its id @param longest floats of its longest result */
  constructor(files: SharedFiles, worker: number, longest: number) {
    this.#files = files
    this.#name = resultFile(worker)
    this.#length = mappedResultLength(longest)
  }

  /**
   * Writes over the result before.
   * @param vector float32, at most of the length of the longest result
   * @param onFailure receives the reason for a failure, with the remedy
   * @returns false when it failed
   */
  write(vector: Float32Array, onFailure: (why: string) => void): boolean {
    if (!nativeLoops()) return this.#files.write(this.#name, bytesOf(vector), onFailure)
    this.#mapped ??= this.#files.create(this.#name, this.#length, onFailure)
    this.#mapped?.set(vector)
    return this.#mapped !== undefined
  }

  remove(): void {
    this.#files.remove(this.#name)
  }
}
