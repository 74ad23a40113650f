import type { SeededDraws } from '../seeded-draws.js'

/** What reaches a disk as a whole. Smaller than on a real one, as the files are: a power cut tears the record of one step. */
const BLOCK_BYTES = 64

/** A file as processes see it, and as it is on the disk. */
export class StoredFile {
  #content: Buffer = Buffer.alloc(0)
  #onDisk: Buffer = Buffer.alloc(0)
  /** Blocks that were changed since they were last written to the disk. */
  readonly #dirty = new Set<number>()

  /** As processes see it. */
  get content(): Buffer {
    return this.#content
  }

  write(bytes: Uint8Array, position: number): void {
    const end = position + bytes.length
    if (end > this.#content.length) this.#content = resized(this.#content, end)
    this.#content.set(bytes, position)
    this.#touch(position, end)
  }

  truncate(length: number): void {
    this.#content = resized(this.#content, length)
    this.#touch(length, length)
  }

  sync(): void {
    this.#writeBlocks(this.#content.length, () => true)
  }

  /** A sync that fails: some blocks are written, and the system takes the others for written too. The next sync says nothing. */
  failSync(draws: SeededDraws): void {
    this.#writeBlocks(this.#onDisk.length, () => draws.chance(0.5))
  }

  /** What was not synced may be on the disk, in any part. */
  cutPower(draws: SeededDraws): void {
    const [one, other] = [this.#onDisk.length, this.#content.length]
    const length = draws.pick([one, other, Math.min(one, other) + draws.below(Math.abs(one - other) + 1)])
    this.#writeBlocks(length, () => draws.chance(0.5))
    this.#content = Buffer.from(this.#onDisk)
  }

  #touch(begin: number, end: number): void {
    for (let block = Math.floor(begin / BLOCK_BYTES); block * BLOCK_BYTES <= end; block++) this.#dirty.add(block)
  }

  #writeBlocks(length: number, isWritten: () => boolean): void {
    this.#onDisk = resized(this.#onDisk, length)
    for (const block of this.#dirty) {
      if (!isWritten()) continue
      const begin = block * BLOCK_BYTES
      this.#content.subarray(begin, begin + BLOCK_BYTES).copy(this.#onDisk, begin)
    }
    this.#dirty.clear()
  }
}

/** A copy, cut off or with zeros at its end. */
function resized(bytes: Buffer, length: number): Buffer {
  const other = Buffer.alloc(length)
  bytes.copy(other)
  return other
}
