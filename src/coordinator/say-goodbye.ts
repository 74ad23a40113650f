import type { WorkerPool } from './worker-pool.js'

/** Time for `finish` to reach the workers before their connections are cut. */
const GOODBYE_MS = 2_000
const LOOK_EVERY_MS = 20

/** Sends `finish` to the workers, and waits until they are gone, but not long. @param reason for the workers */
export async function sayGoodbye(pool: WorkerPool, reason: string): Promise<void> {
  pool.finish(reason)
  const deadlineMs = performance.now() + GOODBYE_MS
  while (pool.workers().length > 0 && performance.now() < deadlineMs)
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
}
