import path from 'node:path'
import { ConvoyError } from '../shared/errors.js'
import { OwnershipLock, ownerOf } from '../shared/ownership-lock.js'

const FILE = 'running.lock'

/**
 * Makes a new run directory this process's own, until the lock is released.
 * @returns undefined where files cannot be locked: other processes cannot see then that the run is going on
 */
export function lockRun(runDirectory: string): OwnershipLock | undefined {
  return OwnershipLock.take(path.join(runDirectory, FILE))
}

/**
 * Makes the directory of a run that ended this process's own, until the lock is released.
 * @throws ConvoyError('usage') when a process has it, or it cannot be written; ConvoyError('environment') where files cannot be locked: two coordinators of one
 *   run would destroy it
 */
export async function takeRun(runDirectory: string): Promise<OwnershipLock> {
  const lock = await OwnershipLock.acquire(path.join(runDirectory, FILE)).catch((error: unknown) => {
    throw cannotBeWritten(runDirectory, error)
  })
  if (lock === 'held')
    throw new ConvoyError(
      'usage',
      `${runDirectory} belongs to a coordinator that runs: \`convoy status ${runDirectory}\` shows it, \`convoy stop ${runDirectory}\` ends it.`,
    )
  if (lock === undefined)
    throw new ConvoyError(
      'environment',
      `${runDirectory}: files cannot be locked here, so another coordinator of this run would not be noticed. Install flock (package util-linux), or begin a new run with \`convoy train --fork\`.`,
    )
  return lock
}

/** @returns other errors than the system's as they are */
function cannotBeWritten(runDirectory: string, error: unknown): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException
  if (syscall === undefined) return error
  return new ConvoyError(
    'usage',
    `${runDirectory} cannot be written (${code}), so its run cannot go on there: mount it writable and check its permissions, or begin a new run with \`convoy train --fork\`.`,
    { cause: error },
  )
}

/** Whether the process of that run is alive, on any machine; true if that cannot be found out and it may be alive. */
export function isRunGoingOn(runDirectory: string): boolean {
  const owner = ownerOf(path.join(runDirectory, FILE))
  return owner === 'alive' || owner === 'unknown'
}
