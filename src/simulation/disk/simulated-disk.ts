import path from 'node:path'
import type { SeededDraws } from '../seeded-draws.js'
import type { Stored } from './stored-directory.js'
import { StoredDirectory } from './stored-directory.js'
import { systemError } from './system-error.js'

/** What a system call does. */
export type DiskCall = 'read' | 'write' | 'sync' | 'name' | 'remove'

/** What is wrong with a disk. */
export interface DiskTrouble {
  /** Bytes that it still takes. @default no limit */
  readonly freeBytes?: number
  /** Calls that may fail with EIO. @default none */
  readonly failing?: { readonly calls: readonly DiskCall[]; readonly probability: number }
  /** Time of a call that a process waits for without blocking, in milliseconds. @default 0 */
  readonly delayMs?: number
}

/** A disk that outlives the processes that use it. What they did not sync, a power cut loses in any part. */
export class SimulatedDisk {
  readonly root = new StoredDirectory()
  readonly draws: SeededDraws
  #trouble: DiskTrouble = {}
  /** Size of all files at which it is full. */
  #maxBytes = Infinity

  constructor(draws: SeededDraws) {
    this.draws = draws
  }

  get trouble(): DiskTrouble {
    return this.#trouble
  }

  /** From now on this is wrong, and nothing else. */
  set trouble(trouble: DiskTrouble) {
    this.#trouble = trouble
    this.#maxBytes = trouble.freeBytes === undefined ? Infinity : this.root.bytes + trouble.freeBytes
  }

  /** Bytes that it still takes. */
  get freeBytes(): number {
    return this.#maxBytes === Infinity ? Infinity : Math.max(0, this.#maxBytes - this.root.bytes)
  }

  /** Whether a call fails now. */
  fails(call: DiskCall): boolean {
    const { failing } = this.#trouble
    return failing?.calls.includes(call) === true && this.draws.chance(failing.probability)
  }

  /** @param name an absolute path */
  lookUp(name: string): Stored | undefined {
    let found: Stored | undefined = this.root
    for (const part of name.split('/'))
      if (part !== '') found = found instanceof StoredDirectory ? found.get(part) : undefined
    return found
  }

  /** @throws ENOENT */
  find(name: string): Stored {
    const found = this.lookUp(name)
    if (found === undefined) throw systemError('ENOENT', 'open', name)
    return found
  }

  /** @throws ENOENT */
  parentOf(name: string): StoredDirectory {
    return this.find(path.dirname(name)) as StoredDirectory
  }

  cutPower(): void {
    this.root.cutPower(this.draws)
  }
}
