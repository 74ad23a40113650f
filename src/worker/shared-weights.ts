import type { SharedFiles } from '../shared/shared-files.js'
import { WEIGHTS_IN_PLACE, weightsFile } from '../shared/shared-files.js'

/** The weights of a run in files that the coordinator on this machine shares, see WeightsStore. */
export class SharedWeights {
  readonly #files: SharedFiles
  readonly #length: number
  /** Those that the coordinator trains in place, and their version. */
  #mapped: Float32Array | undefined
  /** Memory of others. */
  #copy: Float32Array | undefined

  /** @param length floats of the weights */
  constructor(files: SharedFiles, length: number) {
    this.#files = files
    this.#length = length
  }

  /** @returns float32, `[length]`: to be used at once, and not to be written. Undefined: this version is in no file */
  at(version: number): Float32Array | undefined {
    this.#mapped ??= this.#files.map(WEIGHTS_IN_PLACE, this.#length + 1)
    // Later ones are there when the lease is over: nothing that is computed with them counts, and the next lease takes them again.
    if (this.#mapped && new Uint32Array(this.#mapped.buffer)[this.#length]! >= version)
      return this.#mapped.subarray(0, this.#length)
    this.#copy ??= new Float32Array(this.#length)
    return this.#files.read(weightsFile(version), this.#copy) ? this.#copy : undefined
  }
}
