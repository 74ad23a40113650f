import path from 'node:path'
import type { Disk, OpenFile } from '../../durability/disk.js'
import type { VirtualTime } from '../virtual-time.js'
import type { DiskCall, SimulatedDisk } from './simulated-disk.js'
import type { Stored } from './stored-directory.js'
import { StoredDirectory } from './stored-directory.js'
import { StoredFile } from './stored-file.js'
import { systemError } from './system-error.js'

/** A process was killed in a system call. Nobody is there to handle it. */
class KilledError extends Error {}

interface Descriptor {
  readonly entry: Stored
  position: number
}

/** The system calls of one process on a simulated disk. Once it is killed, none has an effect any more. */
export class DiskProcess implements Disk {
  readonly #disk: SimulatedDisk
  readonly #time: VirtualTime
  readonly #onAnswer: () => void
  readonly #descriptors = new Map<number, Descriptor>()
  #newest = 2
  #isAlive = true
  /** Counts down to the call in which the process is killed. */
  #callsLeft = Infinity
  #onKill: () => void = () => undefined
  #failures = 0
  #readFailures = 0

  /** @param onAnswer called when a call settles that took time */
  constructor(disk: SimulatedDisk, time: VirtualTime, onAnswer: () => void) {
    this.#disk = disk
    this.#time = time
    this.#onAnswer = onAnswer
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  /** Calls that the disk failed, so far. */
  get failures(): number {
    return this.#failures
  }

  /** Those of them that were to read. */
  get readFailures(): number {
    return this.#readFailures
  }

  kill(): void {
    this.#isAlive = false
  }

  /** Kills it in one of its next calls: before the call has an effect, after it, or in the middle of a write. */
  killInCall(count: number, onKill: () => void): void {
    this.#callsLeft = count
    this.#onKill = onKill
  }

  readonly openSync = (file: string, flags: string | number): number => {
    const isNew = flags === 'wx' || flags === 'w'
    return this.#call(isNew ? 'name' : 'read', 'open', () => {
      const descriptor = ++this.#newest
      this.#descriptors.set(descriptor, { entry: isNew ? this.#create(file) : this.#disk.find(file), position: 0 })
      return descriptor
    })
  }

  readonly closeSync = (descriptor: number): void => {
    this.#descriptors.delete(descriptor)
  }

  readonly fstatSync = (descriptor: number): ReturnType<Disk['fstatSync']> => {
    const { entry } = this.#descriptors.get(descriptor)!
    const isFile = entry instanceof StoredFile
    return {
      size: isFile ? entry.content.length : 0,
      isFile: () => isFile,
      isDirectory: () => !isFile,
      isFIFO: () => false,
    }
  }

  readonly readSync = (
    descriptor: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number | null,
  ): number =>
    this.#call('read', 'read', () => {
      const open = this.#descriptors.get(descriptor)!
      const begin = position ?? open.position
      const part = (open.entry as StoredFile).content.subarray(begin, begin + length)
      bytes.set(part, offset)
      if (position === null) open.position += part.length
      return part.length
    })

  readonly writeSync = (descriptor: number, bytes: Uint8Array, offset: number, length: number): number => {
    const open = this.#descriptors.get(descriptor)!
    const written = this.#write(open.entry as StoredFile, bytes.subarray(offset, offset + length), open.position)
    open.position += written
    return written
  }

  readonly fsyncSync = (descriptor: number): void => {
    this.#sync(this.#descriptors.get(descriptor)!.entry)
  }

  /** As in node:fs, what cannot be looked up is not there. */
  readonly existsSync = (name: string): boolean =>
    this.#call('name', 'access', () => {
      if (!this.#disk.fails('read')) return this.#disk.lookUp(name) !== undefined
      this.#failures++
      return false
    })

  readonly statSync = (file: string): { readonly size: number } | undefined =>
    this.#call('read', 'stat', () => {
      const entry = this.#disk.lookUp(file)
      return entry instanceof StoredFile ? { size: entry.content.length } : undefined
    })

  readonly statfsSync = (): { readonly bavail: number; readonly bsize: number } => ({
    bavail: this.#disk.freeBytes,
    bsize: 1,
  })

  readonly mkdirSync = (directory: string): undefined => {
    this.#call('name', 'mkdir', () => {
      if (this.#disk.lookUp(directory) !== undefined) return
      this.#takeRoom('mkdir', directory)
      this.#disk.parentOf(directory).set(path.basename(directory), new StoredDirectory())
    })
  }

  readonly readdirSync = (directory: string): string[] =>
    this.#call('read', 'scandir', () => (this.#disk.find(directory) as StoredDirectory).names)

  readonly renameSync = (from: string, to: string): void => {
    this.#call('name', 'rename', () => {
      this.#disk.find(from)
      const replaced = this.#disk.lookUp(to)
      if (replaced instanceof StoredDirectory && replaced.names.length > 0) throw systemError('ENOTEMPTY', 'rename', to)
      this.#disk.parentOf(from).rename(path.basename(from), path.basename(to))
    })
  }

  readonly rmSync = (name: string): void => {
    const entry = this.#call('read', 'lstat', () => this.#disk.lookUp(name))
    if (entry === undefined) return
    if (entry instanceof StoredDirectory) for (const child of entry.names) this.rmSync(path.join(name, child))
    this.#call('remove', 'unlink', () => {
      this.#disk.parentOf(name).remove(path.basename(name))
    })
  }

  readonly open = async (file: string, flags: string): Promise<OpenFile> => {
    const descriptor = await this.#answer(() => this.openSync(file, flags))
    const entry = this.#descriptors.get(descriptor)!.entry as StoredFile
    return {
      writev: (pieces, position) =>
        this.#answer(() => ({ bytesWritten: this.#write(entry, Buffer.concat(pieces), position) })),
      truncate: (length) =>
        this.#answer(() => {
          this.#call('write', 'ftruncate', () => {
            entry.truncate(length)
          })
        }),
      datasync: () =>
        this.#answer(() => {
          this.#sync(entry)
        }),
      close: () =>
        this.#answer(() => {
          this.closeSync(descriptor)
        }),
    }
  }

  /** A call that the process does not block for. It is carried out at once or at the end of its time. */
  async #answer<Result>(call: () => Result): Promise<Result> {
    const { delayMs = 0 } = this.#disk.trouble
    const isEarly = this.#disk.draws.chance(0.5)
    try {
      const early = isEarly && call()
      if (delayMs > 0)
        await new Promise<void>((resolve) => {
          this.#time.after(delayMs, () => {
            this.#onAnswer()
            resolve()
          })
        })
      if (!this.#isAlive) throw new KilledError()
      return isEarly ? (early as Result) : call()
    } catch (error) {
      if (!(error instanceof KilledError)) throw error
      // Nobody waits for it any more.
      return new Promise<Result>(() => undefined)
    }
  }

  /** @returns bytes that the disk took */
  #write(file: StoredFile, bytes: Uint8Array, position: number): number {
    const write = (part: Uint8Array): number => {
      const room = this.#disk.freeBytes + file.content.length - position
      if (room <= 0 && part.length > 0) throw this.#isFull('write')
      file.write(part.subarray(0, room), position)
      return Math.min(part.length, room)
    }
    return this.#call('write', 'write', () => write(bytes), {
      half: () => write(bytes.subarray(0, bytes.length >> 1)),
    })
  }

  #sync(entry: Stored): void {
    const sync = (): void => {
      entry.sync()
    }
    const onFailure = (): void => {
      if (entry instanceof StoredFile) entry.failSync(this.#disk.draws)
    }
    this.#call('sync', 'fsync', sync, { onFailure })
  }

  /** @param half what the process gets done when it is killed in the middle @param onFailure what a failed call does nevertheless */
  #call<Result>(
    kind: DiskCall,
    name: string,
    run: () => Result,
    { half, onFailure }: { readonly half?: () => unknown; readonly onFailure?: () => void } = {},
  ): Result {
    if (!this.#isAlive) throw new KilledError()
    if (--this.#callsLeft === 0) {
      const done = this.#disk.draws.pick([undefined, half, run])
      try {
        done?.()
      } catch {
        // The process does not live to see it.
      }
      this.#isAlive = false
      this.#onKill()
      throw new KilledError()
    }
    if (this.#disk.fails(kind)) {
      this.#failures++
      if (kind === 'read') this.#readFailures++
      onFailure?.()
      throw systemError('EIO', name)
    }
    return run()
  }

  #create(file: string): StoredFile {
    const directory = this.#disk.parentOf(file)
    const found = directory.get(path.basename(file))
    if (found instanceof StoredFile) {
      found.truncate(0)
      return found
    }
    this.#takeRoom('open', file)
    const made = new StoredFile()
    directory.set(path.basename(file), made)
    return made
  }

  #takeRoom(call: string, name: string): void {
    if (this.#disk.freeBytes === 0) throw this.#isFull(call, name)
  }

  #isFull(call: string, name?: string): Error {
    this.#failures++
    return systemError('ENOSPC', call, name)
  }
}
