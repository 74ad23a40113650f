import { EventEmitter, once } from 'node:events'
import { bytesOf } from '../shared/bytes-of.js'
import type { SharedFiles } from '../shared/shared-files.js'
import { weightsFile } from '../shared/shared-files.js'

export interface PublishedWeights {
  /** 1 for the first; grows with every publication. */
  readonly version: number
  readonly bytes: Buffer
}

/** Holds the newest weights, and wakes the calls that wait for them. */
export class WeightsStore {
  readonly #published = new EventEmitter().setMaxListeners(0)
  readonly #sharedFiles: SharedFiles | undefined
  readonly #onShared: (bytes: number) => void
  readonly #onNotShared: (why: string) => void
  #current: PublishedWeights = { version: 0, bytes: Buffer.alloc(0) }
  #sharing = false

  /**
   * @param sharedFiles where workers of this machine can read them, if there is such a place
   * @param onShared called with the bytes that were written there
   * @param onNotShared called with the reason when nothing was written there
   */
  constructor(
    sharedFiles?: SharedFiles,
    onShared: (bytes: number) => void = () => undefined,
    onNotShared: (why: string) => void = () => undefined,
  ) {
    this.#sharedFiles = sharedFiles
    this.#onShared = onShared
    this.#onNotShared = onNotShared
  }

  /**
   * Does not copy: the optimizer goes on in place, perhaps while some worker is still being sent these bytes. It may then get a
   * mixture; but every lease of this version was over before the optimizer went on, so nothing is computed with it that counts.
   */
  publish(weights: Float32Array): number {
    this.#current = { version: this.#current.version + 1, bytes: bytesOf(weights) }
    if (this.#sharing) this.#write()
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

  /** From now on the newest weights are in their shared file too, before a lease names them. */
  share(): void {
    if (this.#sharing) return
    this.#sharing = true
    this.#write()
  }

  /** Where it cannot be written there is no file, and workers ask for the weights. */
  #write(): void {
    const { version, bytes } = this.#current
    if (this.#sharedFiles?.write(weightsFile(version), bytes, this.#onNotShared)) this.#onShared(bytes.length)
  }
}
