import { randomBytes } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { open, rm } from 'node:fs/promises'
import path from 'node:path'

const BLOCK_BYTES = 1024 * 1024

/**
 * Room on a disk, kept for what must be written when the disk is full. It is an open file without a name: whatever ends this process
 * gives the room back.
 */
export class DiskReserve {
  readonly #directory: string
  #file: FileHandle | undefined

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Takes so much room, where none is held. @throws the system's error, such as ENOSPC where there is less */
  async take(bytes: number): Promise<void> {
    if (this.#file) return
    const name = path.join(this.#directory, `.reserve-${randomBytes(6).toString('hex')}`)
    const file = await open(name, 'wx')
    try {
      await rm(name)
      // Random: a file system that compresses would keep next to nothing for zeros.
      const block = randomBytes(BLOCK_BYTES)
      for (let left = bytes; left > 0; left -= BLOCK_BYTES) await file.writeFile(block.subarray(0, left))
    } catch (error) {
      await file.close()
      throw error
    }
    this.#file = file
  }

  /** Gives the room back. @returns false when there was none left to give */
  async release(): Promise<boolean> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
    return file !== undefined
  }
}
