import { randomBytes, timingSafeEqual } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { ConvoyError } from './errors.js'
import { nativeLoops } from './native-loops.js'
import { shortageIn } from './own-shortage.js'
import { OwnershipLock, ownerOf } from './ownership-lock.js'

/** Memory that looks like a directory (tmpfs); Linux has it, some containers hide it or keep it small. */
const MEMORY = '/dev/shm'
const PREFIX = 'convoy-coordinator-'
const LOCK = '.lock'
const PROOF_FILE = 'proof'

/** The peer may have put a link or a pipe there: links are not followed, and pipes do not block. */
const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = fs.constants
const READ = O_RDONLY | O_NOFOLLOW | O_NONBLOCK
/** Error codes for a missing file, or for a link, pipe or socket in its place. */
const MISSING = ['ENOENT', 'ELOOP', 'ENXIO']
const WRITE = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK
const READ_WRITE = O_RDWR | O_NOFOLLOW | O_NONBLOCK
const CREATE = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW

/** Error codes for full memory, or a full quota of this user. */
const FULL = ['ENOSPC', 'EDQUOT']

/** What a worker needs to know to find the directory and to see that it is the same one. */
export interface SharedFilesOffer {
  readonly directory: string
  /** Hexadecimal; the content of the file `proof` in the directory. */
  readonly proof: string
}

/**
 * Vectors that processes of one machine hand to each other through files in memory: five to ten times as fast as a
 * connection. Only the user of the coordinator can open the directory. Every function returns whether it succeeded, since callers
 * can use the network instead.
 */
export class SharedFiles {
  readonly directory: string
  /** Held by the process that made the directory, if files can be locked. */
  readonly #lock: OwnershipLock | undefined

  private constructor(directory: string, lock?: OwnershipLock) {
    this.directory = directory
    this.#lock = lock
  }

  /**
   * Makes a directory for one coordinator, and removes those of killed coordinators.
   * @param onFailure receives the reason for a failure
   * @returns undefined when this machine has no such memory or does not let this user write there
   */
  static create(
    onFailure: (why: string) => void = () => undefined,
  ): { files: SharedFiles; offer: SharedFilesOffer } | undefined {
    try {
      clearLeftovers()
      // The process id is only for people: in another PID namespace it belongs to another process.
      const directory = path.join(MEMORY, `${PREFIX}${process.pid}-${randomBytes(6).toString('hex')}`)
      const files = new SharedFiles(directory, OwnershipLock.take(directory + LOCK))
      process.once('exit', files.close)
      fs.mkdirSync(directory, { mode: 0o700 })
      const proof = randomBytes(16).toString('hex')
      fs.writeFileSync(path.join(directory, PROOF_FILE), proof, { mode: 0o600 })
      return { files, offer: { directory, proof } }
    } catch (error) {
      onFailure((error as Error).message)
      return undefined
    }
  }

  /**
   * @param onFailure receives the reason when this process lacks memory or descriptors to open the directory
   * @returns undefined when the directory is not accessible here: another machine, container or user
   */
  static open(
    { directory, proof }: SharedFilesOffer,
    onFailure: (why: string) => void = () => undefined,
  ): SharedFiles | undefined {
    if (path.dirname(directory) !== MEMORY || !path.basename(directory).startsWith(PREFIX)) return undefined
    try {
      const found = Buffer.from(fs.readFileSync(path.join(directory, PROOF_FILE), 'utf8'), 'hex')
      const expected = Buffer.from(proof, 'hex')
      return found.length === expected.length && timingSafeEqual(found, expected)
        ? new SharedFiles(directory)
        : undefined
    } catch (error) {
      const { message } = ConvoyError.from(error)
      if (shortageIn(message)) onFailure(message)
      return undefined
    }
  }

  /**
   * Overwrites the file in place: new pages would cost as much again as the copy. A new file appears only when complete, because a reader
   * may already try to open it.
   * @param onFailure receives the reason for a failure, with the remedy
   * @returns false when it failed; the file is removed then
   */
  write(name: string, bytes: Uint8Array, onFailure: (why: string) => void = () => undefined): boolean {
    const file = path.join(this.directory, name)
    const isNew = !fs.existsSync(file)
    const target = isNew ? `${file}.new` : file
    try {
      const descriptor = fs.openSync(target, WRITE, 0o600)
      try {
        let written = 0
        while (written < bytes.length) written += fs.writeSync(descriptor, bytes, written)
        fs.ftruncateSync(descriptor, bytes.length)
      } finally {
        fs.closeSync(descriptor)
      }
      if (isNew) fs.renameSync(target, file)
      return true
    } catch (error) {
      onFailure(this.#describe(error))
      this.remove(path.basename(target))
      return false
    }
  }

  /**
   * A new file as a vector: what is written there, other processes see at once, see {@link map}. Nobody may {@link write} a file of this name.
   * @param onFailure receives the reason when there is no room, or no memory
   * @returns float32 zeros, `[length]`; undefined when it failed, or loops are not native here
   */
  create(name: string, length: number, onFailure: (why: string) => void): Float32Array | undefined {
    const native = nativeLoops()
    if (!native) return undefined
    try {
      return this.#mapped(name, CREATE, (descriptor) => native.mapFile(descriptor, 4 * length, 1))
    } catch (error) {
      onFailure(this.#describe(error))
      this.remove(name)
      return undefined
    }
  }

  /**
   * The vector in a file that another process made with {@link create}, without a copy.
   * @param isWritable 1: it may be written as well
   * @returns float32, `[length]`; undefined when there is no such file of this length, or it cannot be mapped here
   */
  map(name: string, length: number, isWritable: 0 | 1 = 0): Float32Array | undefined {
    const native = nativeLoops()
    if (!native) return undefined
    try {
      return this.#mapped(name, isWritable ? READ_WRITE : READ, (descriptor) =>
        fs.fstatSync(descriptor).size === 4 * length ? native.mapFile(descriptor, 4 * length, isWritable) : undefined,
      )
    } catch {
      return undefined
    }
  }

  /**
   * @param vector is filled
   * @param threads that read, where loops are native
   * @param fileLength floats of a file that has more than the vector. Only this length and that of the vector are accepted
   * @returns false when the file is gone, or is no file
   * @throws ConvoyError('protocol') when it has another length; ConvoyError('environment') when this process cannot open it, such as
   * for lack of descriptors
   */
  read(name: string, vector: Float32Array, threads = 1, fileLength = vector.length): boolean {
    let descriptor: number
    try {
      descriptor = fs.openSync(path.join(this.directory, name), READ)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== undefined && MISSING.includes(code)) return false
      throw ConvoyError.from(error)
    }
    try {
      const { size } = fs.fstatSync(descriptor)
      if ((size !== vector.byteLength && size !== 4 * fileLength) || !fill(descriptor, vector, threads)) {
        throw new ConvoyError('protocol', `${name}: a vector of ${size} bytes where ${vector.byteLength} are expected`)
      }
      return true
    } finally {
      fs.closeSync(descriptor)
    }
  }

  /** Path of the socket beside the files, over which the processes tell each other about them. */
  get socket(): string {
    return path.join(this.directory, 'socket')
  }

  /** The file is closed again: the memory does not need it open. */
  #mapped(name: string, flags: number, map: (descriptor: number) => ArrayBuffer | undefined): Float32Array | undefined {
    const descriptor = fs.openSync(path.join(this.directory, name), flags, 0o600)
    try {
      const memory = map(descriptor)
      return memory && new Float32Array(memory)
    } finally {
      fs.closeSync(descriptor)
    }
  }

  #describe(error: unknown): string {
    return FULL.includes((error as NodeJS.ErrnoException).code!)
      ? `${this.directory} is full: make /dev/shm larger (containers: --shm-size).`
      : ConvoyError.from(error).message
  }

  /** Removes a file, and an unfinished new one that a killed writer left. */
  remove(name: string): void {
    for (const file of [name, `${name}.new`]) fs.rmSync(path.join(this.directory, file), { force: true })
  }

  /** Removes the directory with its files. */
  readonly close = (): void => {
    process.off('exit', this.close)
    fs.rmSync(this.directory, { recursive: true, force: true })
    this.#lock?.release()
  }
}

/** Reads all of a vector. @returns false when the file is too short */
function fill(descriptor: number, vector: Float32Array, threads: number): boolean {
  const native = nativeLoops()
  if (native) return native.read(descriptor, vector, vector.length, threads)
  return fs.readSync(descriptor, vector, 0, vector.byteLength, 0) === vector.byteLength
}

/**
 * Removes directories of this user whose coordinator has ended; nothing else would ever free their memory. A directory without a lock stays:
 * it was made by an earlier version, or where files cannot be locked, and may be in use.
 */
function clearLeftovers(): void {
  for (const name of fs.readdirSync(MEMORY)) {
    if (!name.startsWith(PREFIX) || !name.endsWith(LOCK)) continue
    const lock = path.join(MEMORY, name)
    if (!isOwn(lock) || ownerOf(lock) !== 'ended') continue
    const directory = lock.slice(0, -LOCK.length)
    // The lock is removed last: if this process is killed in between, the next one cleans up.
    if (isOwn(directory)) fs.rmSync(directory, { recursive: true, force: true })
    fs.rmSync(lock, { force: true })
  }
}

function isOwn(file: string): boolean {
  return fs.lstatSync(file, { throwIfNoEntry: false })?.uid === process.getuid?.()
}

/** Name of the file with a worker's newest result. */
export function resultFile(worker: number): string {
  return `result-${worker}`
}

/**
 * Floats of the file of a worker that maps it. No result is as long: a file that is written for each result, and may become shorter, must not be
 * mapped by others.
 * @param longest floats of the longest result
 */
export function mappedResultLength(longest: number): number {
  return longest + 1
}

/**
 * Name of the file with the weights of a version that are not {@link WEIGHTS_IN_PLACE}: two files in turn. A worker that reads a file while it is
 * overwritten, two versions later, gets a mixture. All leases of the version that it wanted are over by then, so the mixture is never used.
 */
export function weightsFile(version: number): string {
  return `weights-${version % 2}`
}

/** Name of the file that the run's weights are trained in: float32, and their version as one more uint32. See WeightsStore. */
export const WEIGHTS_IN_PLACE = 'weights'
