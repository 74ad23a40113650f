import { randomBytes, timingSafeEqual } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { ConvoyError } from './errors.js'
import { isProcessAlive } from './is-process-alive.js'

/** Memory that looks like a directory (tmpfs); Linux has it, some containers hide it or keep it small. */
const MEMORY = '/dev/shm'
const PREFIX = 'convoy-'
const PROOF_FILE = 'proof'

/** What a worker needs to know to find the directory and to see that it is the same one. */
export interface SharedFilesOffer {
  readonly directory: string
  /** Hexadecimal; what the file `proof` in it holds. */
  readonly proof: string
}

/**
 * Vectors that processes of one machine hand to each other through files in memory: five to ten times as fast as a
 * connection. Only the user who runs the coordinator can open the directory. Whoever uses this has another way too: every
 * function says whether it could.
 */
export class SharedFiles {
  readonly directory: string

  private constructor(directory: string) {
    this.directory = directory
  }

  /**
   * Makes a directory for one coordinator, and clears away those of coordinators that were killed.
   * @returns undefined when this machine has no such memory or does not let this user write there
   */
  static create(): { files: SharedFiles; offer: SharedFilesOffer } | undefined {
    try {
      clearLeftovers()
      const directory = fs.mkdtempSync(path.join(MEMORY, `${PREFIX}${process.pid}-`))
      const proof = randomBytes(16).toString('hex')
      fs.writeFileSync(path.join(directory, PROOF_FILE), proof, { mode: 0o600 })
      return { files: new SharedFiles(directory), offer: { directory, proof } }
    } catch {
      return undefined
    }
  }

  /** @returns undefined when the directory is not to be had here: another machine, container or user */
  static open({ directory, proof }: SharedFilesOffer): SharedFiles | undefined {
    if (path.dirname(directory) !== MEMORY || !path.basename(directory).startsWith(PREFIX)) return undefined
    try {
      const found = Buffer.from(fs.readFileSync(path.join(directory, PROOF_FILE), 'utf8'), 'hex')
      const expected = Buffer.from(proof, 'hex')
      return found.length === expected.length && timingSafeEqual(found, expected)
        ? new SharedFiles(directory)
        : undefined
    } catch {
      return undefined
    }
  }

  /**
   * Writes over what the file holds, in place: new pages would cost as much again as the copy. A new file appears whole, because
   * somebody may look for it already.
   * @returns false when the memory is full; nothing is left then
   */
  write(name: string, bytes: Uint8Array): boolean {
    const file = path.join(this.directory, name)
    const isNew = !fs.existsSync(file)
    const target = isNew ? `${file}.new` : file
    try {
      const descriptor = fs.openSync(target, fs.constants.O_WRONLY | fs.constants.O_CREAT, 0o600)
      try {
        let written = 0
        while (written < bytes.length) written += fs.writeSync(descriptor, bytes, written)
        fs.ftruncateSync(descriptor, bytes.length)
      } finally {
        fs.closeSync(descriptor)
      }
      if (isNew) fs.renameSync(target, file)
      return true
    } catch {
      this.remove(path.basename(target))
      return false
    }
  }

  /**
   * @param vector is filled; its length is the only accepted one
   * @param fill reads all of the file into it; false: the file is too short
   * @returns false when the file is gone
   * @throws ConvoyError('protocol') when it has another length
   */
  read(name: string, vector: Float32Array, fill = fillAtOnce): boolean {
    let descriptor: number
    try {
      descriptor = fs.openSync(path.join(this.directory, name), 'r')
    } catch {
      return false
    }
    try {
      const { size } = fs.fstatSync(descriptor)
      if (size !== vector.byteLength || !fill(descriptor, vector)) {
        throw new ConvoyError('protocol', `${name}: a vector of ${size} bytes where ${vector.byteLength} are expected`)
      }
      return true
    } finally {
      fs.closeSync(descriptor)
    }
  }

  remove(name: string): void {
    fs.rmSync(path.join(this.directory, name), { force: true })
  }

  /** The directory goes, with everything in it. */
  close(): void {
    fs.rmSync(this.directory, { recursive: true, force: true })
  }
}

function fillAtOnce(descriptor: number, vector: Float32Array): boolean {
  return fs.readSync(descriptor, vector, 0, vector.byteLength, 0) === vector.byteLength
}

/** Directories of this user whose coordinator lives no more: memory that nobody would ever give back. */
function clearLeftovers(): void {
  for (const name of fs.readdirSync(MEMORY)) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1]
    const directory = path.join(MEMORY, name)
    if (pid === undefined) continue
    const { uid, mtimeMs } = fs.statSync(directory)
    // In a container that was started again, this process has the number of the one that was killed.
    const isPredecessor = Number(pid) === process.pid && mtimeMs < Date.now() - process.uptime() * 1000
    if ((isProcessAlive(Number(pid)) && !isPredecessor) || uid !== process.getuid?.()) continue
    fs.rmSync(directory, { recursive: true, force: true })
  }
}

/** Where a worker shares its newest result. */
export function resultFile(worker: number): string {
  return `result-${worker}`
}

/**
 * Where the coordinator shares weights: two files in turn. A worker that reads one while it is written over, two versions
 * later, gets a mixture; every lease of the version that it wanted is over by then, so the mixture is never used for anything.
 */
export function weightsFile(version: number): string {
  return `weights-${version % 2}`
}
