import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { throwShortage } from './own-shortage.js'
import { isMissing } from './path-access.js'
import { standardError } from './terminal.js'

/** A lock file may lie where others write too: links and pipes there are neither followed nor waited for. */
const READ = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK

/**
 * What a lock file says about the process that made it: it lives; it has ended; there is no such file; this user or this system cannot
 * tell. Only an owner that has ended may be cleared up after.
 */
export type Owner = 'alive' | 'ended' | 'none' | 'unknown'

/**
 * A locked file, as the proof that a process still uses what belongs to it. The kernel drops the lock with its holder, however that one
 * ends. Unlike a process id, the lock means the same in each PID namespace and container that sees the file (docs/decisions/008-ownership-locks.md).
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
   * @param file a name that no other process takes. The file appears locked: nobody can see it before.
   * @returns undefined where files cannot be locked, which is said once; there is no lock file then, and nobody clears up without one
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

  /** Removes the file too. Whatever it stands for is over, or removed. */
  release(): void {
    if (this.#descriptor === undefined) return
    fs.rmSync(this.#file, { force: true })
    fs.closeSync(this.#descriptor)
    this.#descriptor = undefined
  }
}

function discard(file: string, descriptor: number): void {
  fs.closeSync(descriptor)
  fs.rmSync(file, { force: true })
}

/**
 * Looks at a lock without disturbing its owner, or others who look. It costs some milliseconds where the file exists.
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
 * Locks a file or directory and lets it go again.
 * @returns why that does not work; undefined: it works
 */
export function whyNoLocks(place: string): string | undefined {
  const descriptor = fs.openSync(place, 'r')
  try {
    return tryFlock('-s', descriptor).problem
  } finally {
    fs.closeSync(descriptor)
  }
}

let isSaid = false

/** @returns whether this process has the lock now; undefined: it cannot be found out here */
function flock(kind: '-x' | '-s', descriptor: number): boolean | undefined {
  const { isLocked, problem } = tryFlock(kind, descriptor)
  if (problem !== undefined && !isSaid) {
    isSaid = true
    standardError.notice(
      `Files cannot be locked here (${problem}): what killed processes leave behind stays until you delete it, and \`convoy status\` and ` +
        '`convoy stop` need the address of the coordinator. Install flock (package util-linux); `convoy doctor` tests it.',
      true,
    )
  }
  return problem === undefined ? isLocked : undefined
}

function tryFlock(kind: '-x' | '-s', descriptor: number): { isLocked: boolean; problem?: string } {
  // The options that busybox has too.
  const { status, stderr, error } = spawnSync('flock', [kind, '-n', '3'], {
    stdio: ['ignore', 'ignore', 'pipe', descriptor],
    encoding: 'utf8',
  })
  throwShortage(error)
  if (error !== undefined) return { isLocked: false, problem: error.message }
  if (status === 0) return { isLocked: true }
  // Somebody else's lock is no error: nothing is written about it.
  if (status === 1 && stderr === '') return { isLocked: false }
  return { isLocked: false, problem: stderr.trim() || `flock ended with status ${status}` }
}
