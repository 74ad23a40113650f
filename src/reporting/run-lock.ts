import path from 'node:path'
import { OwnershipLock, ownerOf } from '../shared/ownership-lock.js'

const FILE = 'running.lock'

/**
 * Makes a new run directory this process's own, until the lock is released.
 * @returns undefined where files cannot be locked: other processes cannot see then that the run is going on
 */
export function lockRun(runDirectory: string): OwnershipLock | undefined {
  return OwnershipLock.take(path.join(runDirectory, FILE))
}

/** Whether the process of that run is alive, on any machine; true if that cannot be found out and it may be alive. */
export function isRunGoingOn(runDirectory: string): boolean {
  const owner = ownerOf(path.join(runDirectory, FILE))
  return owner === 'alive' || owner === 'unknown'
}
