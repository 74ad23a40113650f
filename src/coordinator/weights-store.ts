import { EventEmitter, once } from 'node:events'
import { bytesOf } from '../shared/bytes-of.js'
import type { SharedFiles } from '../shared/shared-files.js'
import { WEIGHTS_IN_PLACE, weightsFile } from '../shared/shared-files.js'

export interface PublishedWeights {
  /** 1 for the first; grows with every publication. */
  readonly version: number
  readonly bytes: Buffer
}

export interface WeightsStoreOptions {
  /** Where workers of this machine can read weights, if there is such a place. */
  readonly files?: SharedFiles | undefined
  /** Called with the bytes of weights that workers can read there. */
  readonly onShared?: (bytes: number) => void
  /** Called with the reason when workers cannot read weights there. */
  readonly onNotShared?: (why: string) => void
  /** Called with the reason when weights have to be copied there. */
  readonly onNotInPlace?: (why: string) => void
}

/** Holds the newest weights, and wakes the calls that wait for them. */
export class WeightsStore {
  readonly #published = new EventEmitter().setMaxListeners(0)
  readonly #options: WeightsStoreOptions
  #current: PublishedWeights = { version: 0, bytes: Buffer.alloc(0) }
  #sharing = false
  /** Weights in the file {@link WEIGHTS_IN_PLACE}, and their version there. */
  #inPlace: { readonly weights: Float32Array; readonly version: Uint32Array } | undefined

  constructor(options: WeightsStoreOptions = {}) {
    this.#options = options
  }

  /**
   * Moves the weights of a run into a file that workers of this machine map, before they are first published. The optimizer updates them
   * there, and to publish them writes nothing but their version.
   * @returns the weights there, or the given ones: {@link publish} copies these into a file
   */
  place(weights: Float32Array): Float32Array {
    const { files, onNotInPlace = () => undefined } = this.#options
    const memory = files?.create(WEIGHTS_IN_PLACE, weights.length + 1, onNotInPlace)
    if (memory === undefined) return weights
    const placed = memory.subarray(0, weights.length)
    placed.set(weights)
    this.#inPlace = { weights: placed, version: new Uint32Array(memory.buffer, placed.byteLength, 1) }
    return placed
  }

  /**
   * Does not copy: the optimizer goes on in place, perhaps while some worker still reads these weights or is being sent them. It may then
   * get a mixture; but every lease of this version was over before the optimizer went on, so nothing is computed with it that counts. And
   * no lease of this version is given any more: the worker takes the next version whole.
   */
  publish(weights: Float32Array): number {
    this.#current = { version: this.#current.version + 1, bytes: bytesOf(weights) }
    if (weights === this.#inPlace?.weights) this.#inPlace.version[0] = this.#current.version
    if (this.#sharing) this.#share()
    this.#published.emit('weights')
    return this.#current.version
  }

  /** The newest weights; not a copy, see {@link publish}. */
  get weights(): Float32Array {
    const { buffer, byteOffset, length } = this.#current.bytes
    return new Float32Array(buffer, byteOffset, length / 4)
  }

  /** The newest weights as soon as they are newer than `version`. Rejects with an AbortError when the signal fires. */
  async newerThan(version: number, signal: AbortSignal): Promise<PublishedWeights> {
    while (this.#current.version <= version) await once(this.#published, 'weights', { signal })
    return this.#current
  }

  /** From now on the newest weights are in a shared file too, before a lease names them. */
  share(): void {
    if (this.#sharing) return
    this.#sharing = true
    this.#share()
  }

  /** Where weights cannot be written there is no file, and workers ask for them. */
  #share(): void {
    const { version, bytes } = this.#current
    const { files, onShared, onNotShared } = this.#options
    const isThere = version === this.#inPlace?.version[0] || files?.write(weightsFile(version), bytes, onNotShared)
    if (isThere) onShared?.(bytes.length)
  }
}
