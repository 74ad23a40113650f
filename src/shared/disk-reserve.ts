import { randomBytes } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { open, rm } from 'node:fs/promises'
import path from 'node:path'

const BLOCK_BYTES = 1024 * 1024

/**
 * Disk space reserved for files that must be written when the disk is full. It is an open file without a name, so the space is freed
 * however this process ends.
 */
export class DiskReserve {
  readonly #directory: string
  #file: FileHandle | undefined

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Reserves space, unless some is held already. @throws the system's error, such as ENOSPC when there is too little */
  async take(bytes: number): Promise<void> {
    if (this.#file) return
    const name = path.join(this.#directory, `.reserve-${randomBytes(6).toString('hex')}`)
    const file = await open(name, 'wx')
    try {
      await rm(name)
      // Random bytes: a compressing file system would reserve almost nothing for zeros.
      const block = randomBytes(BLOCK_BYTES)
      for (let left = bytes; left > 0; left -= BLOCK_BYTES) await file.writeFile(block.subarray(0, left))
    } catch (error) {
      await file.close()
      throw error
    }
    this.#file = file
  }

  /** Frees the space. @returns false when none was held */
  async release(): Promise<boolean> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
    return file !== undefined
  }
}
