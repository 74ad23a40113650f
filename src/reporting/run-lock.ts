import path from 'node:path'
import { OwnershipLock, ownerOf } from '../shared/ownership-lock.js'

const FILE = 'running.lock'

/**
 * Makes a new run directory this process's own, until the lock is released.
 * @returns undefined where files cannot be locked: others cannot see that the run goes on
 */
export function lockRun(runDirectory: string): OwnershipLock | undefined {
  return OwnershipLock.take(path.join(runDirectory, FILE))
}

/** Whether the process of that run lives, on whatever machine; where this cannot be found out, whether it may. */
export function isRunGoingOn(runDirectory: string): boolean {
  const owner = ownerOf(path.join(runDirectory, FILE))
  return owner === 'alive' || owner === 'unknown'
}
