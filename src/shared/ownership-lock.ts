import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { throwShortage } from './own-shortage.js'
import { isMissing } from './path-access.js'
import { standardError } from './terminal.js'

/** Other users may write to the directory of a lock file: links are not followed, and pipes do not block. */
const READ = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK

const WRITE = fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK

const MAX_ATTEMPTS = 5
const ATTEMPT_EVERY_MS = 50

/**
 * State of the process that made a lock file: alive; ended; `none`: there is no such file; `unknown`: this user or system cannot find out.
 * Only files of an ended owner may be removed.
 */
export type Owner = 'alive' | 'ended' | 'none' | 'unknown'

/**
 * A locked file: the proof that a process still uses its files. The kernel releases the lock when the holder ends,
 * however it ends. Unlike a process id, the lock means the same in each PID namespace and container that sees the file
 * (docs/decisions/008-ownership-locks.md).
 *
 * It is flock(2), taken by the command of that name on a descriptor of this process: the lock belongs to the open file, so it stays when the
 * command has ended. Child processes do not inherit it: Node's descriptors are closed on exec.
 */
export class OwnershipLock {
  readonly #file: string
  #descriptor: number | undefined

  private constructor(file: string, descriptor: number) {
    this.#file = file
    this.#descriptor = descriptor
  }

  /**
   * @param file a name that no other process takes. The file is locked before it appears under that name.
   * @returns undefined when files cannot be locked. That is reported once; without a lock file, nothing is removed later
   * @throws the system's error when the file cannot be made, and what {@link throwShortage} throws
   */
  static take(file: string): OwnershipLock | undefined {
    const unfinished = `${file}.new`
    const descriptor = fs.openSync(unfinished, 'wx+')
    try {
      if (flock('-x', descriptor) === true) {
        fs.renameSync(unfinished, file)
        return new OwnershipLock(file, descriptor)
      }
    } catch (error) {
      discard(unfinished, descriptor)
      throw error
    }
    discard(unfinished, descriptor)
    return undefined
  }

  /**
   * Locks a file that a process which ended may have left. Of several processes that try, one gets it.
   * @returns held: another process has it; undefined when files cannot be locked
   * @throws the system's error when the file cannot be opened or made, and what {@link throwShortage} throws
   */
  static async acquire(file: string): Promise<OwnershipLock | 'held' | undefined> {
    for (let attempt = 1; ; attempt++) {
      const descriptor = fs.openSync(file, WRITE, 0o666)
      const isLocked = flock('-x', descriptor)
      // An owner removes its file before it releases the lock: then this one has no name any more.
      if (isLocked === true && isNamed(file, descriptor)) return new OwnershipLock(file, descriptor)
      fs.closeSync(descriptor)
      if (isLocked === undefined) return undefined
      // A process that only looks, see ownerOf, also has it for some milliseconds.
      if (!isLocked && attempt === MAX_ATTEMPTS) return 'held'
      await delay(ATTEMPT_EVERY_MS)
    }
  }

  /** Releases the lock and removes the file. Call it when the files that it protects are no longer in use. */
  release(): void {
    if (this.#descriptor === undefined) return
    fs.rmSync(this.#file, { force: true })
    fs.closeSync(this.#descriptor)
    this.#descriptor = undefined
  }
}

/** Whether the open file is the one of that name. */
function isNamed(file: string, descriptor: number): boolean {
  const named = fs.statSync(file, { throwIfNoEntry: false })
  const { ino, dev } = fs.fstatSync(descriptor)
  return named?.ino === ino && named.dev === dev
}

function discard(file: string, descriptor: number): void {
  fs.closeSync(descriptor)
  fs.rmSync(file, { force: true })
}

/**
 * Checks a lock without disturbing its owner or other readers. Takes some milliseconds if the file exists.
 * @throws what {@link throwShortage} throws
 */
export function ownerOf(file: string): Owner {
  let descriptor: number
  try {
    descriptor = fs.openSync(file, READ)
  } catch (error) {
    return isMissing(error) ? 'none' : 'unknown'
  }
  try {
    const isFree = flock('-s', descriptor)
    return isFree === undefined ? 'unknown' : isFree ? 'ended' : 'alive'
  } finally {
    fs.closeSync(descriptor)
  }
}

/**
 * Tests whether a file or directory can be locked.
 * @returns the problem; undefined when locking works
 */
export function lockingProblem(place: string): string | undefined {
  const descriptor = fs.openSync(place, 'r')
  try {
    return tryFlock('-s', descriptor).problem
  } finally {
    fs.closeSync(descriptor)
  }
}

let isReported = false

/** @returns whether this process has the lock now; undefined when files cannot be locked here */
function flock(kind: '-x' | '-s', descriptor: number): boolean | undefined {
  const { isLocked, problem } = tryFlock(kind, descriptor)
  if (problem !== undefined && !isReported) {
    isReported = true
    standardError.printLine(
      `Files cannot be locked here (${problem}): files of killed processes stay until you delete them, and \`convoy status\` and ` +
        '`convoy stop` need the address of the coordinator. Install flock (package util-linux); `convoy doctor` tests it.',
      true,
    )
  }
  return problem === undefined ? isLocked : undefined
}

function tryFlock(kind: '-x' | '-s', descriptor: number): { isLocked: boolean; problem?: string } {
  // Only options that busybox supports too.
  const { status, stderr, error } = spawnSync('flock', [kind, '-n', '3'], {
    stdio: ['ignore', 'ignore', 'pipe', descriptor],
    encoding: 'utf8',
  })
  throwShortage(error)
  if (error !== undefined) return { isLocked: false, problem: error.message }
  if (status === 0) return { isLocked: true }
  // Held by another process: flock exits with status 1 and prints nothing.
  if (status === 1 && stderr === '') return { isLocked: false }
  return { isLocked: false, problem: stderr.trim() || `flock ended with status ${status}` }
}
