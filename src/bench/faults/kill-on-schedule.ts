import type { KillableRun } from './killable-run.js'

export interface KillIntervals {
  readonly workerSeconds: number
  readonly coordinatorSeconds: number
}

/** When processes were killed, in milliseconds since 1970. */
export interface Kills {
  readonly workers: readonly number[]
  readonly coordinators: readonly number[]
}

/**
 * Kills a worker and the coordinator of a run, each at its own interval, from now until the run is over. The coordinator's turns begin after
 * half an interval, so that by default no two kills fall together.
 * @throws the error of the run
 */
export async function killOnSchedule(run: KillableRun, intervals: KillIntervals): Promise<Kills> {
  const kills = { workers: [] as number[], coordinators: [] as number[] }
  const workerMs = 1000 * intervals.workerSeconds
  const coordinatorMs = 1000 * intervals.coordinatorSeconds
  const timers = [
    repeat(workerMs, workerMs, () => {
      if (run.killWorker()) kills.workers.push(Date.now())
    }),
    repeat(coordinatorMs / 2, coordinatorMs, () => {
      if (run.killCoordinator()) kills.coordinators.push(Date.now())
    }),
  ]
  try {
    await run.ended
    return kills
  } finally {
    for (const stop of timers) stop()
  }
}

/** @returns a function that ends it */
function repeat(firstMs: number, everyMs: number, act: () => void): () => void {
  let timer = setTimeout(() => {
    timer = setInterval(act, everyMs)
    act()
  }, firstMs)
  return () => {
    clearTimeout(timer)
  }
}
