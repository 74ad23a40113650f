import { setTimeout as delay } from 'node:timers/promises'
import type { PlannedFault } from './fault-schedule.js'
import { BOTH } from '../../../src/bench/link/fault-proxy.js'
import type { Fleet, FleetWorker } from './fleet.js'

/** Pulses of a slow processor: shorter than a heartbeat, so that the worker does not count as dead. */
const STOPPED_MS = 450
const RUNNING_MS = 50
const MAX_DELAY_MS = 200
const MIN_DELAY_MS = 30
const FLIPS = 3
const LOSS_RATE = 0.2
/** 1 and 10 Mbit/s. */
const SLOWEST_BYTES_PER_SECOND = 125_000
const FASTEST_BYTES_PER_SECOND = 1_250_000

/** A coordinator is killed within this time, so that it may be anywhere in a step, an evaluation or a checkpoint. */
const KILLED_WITHIN_MS = 1_000
/** Of the coordinators that resume a run, how many are killed while they start, and within which time. */
const KILLED_AGAIN = 0.3
const STARTED_WITHIN_MS = 3_000

/**
 * Injects one fault and heals it.
 * @param signal the end of the run; heals at once
 * @throws Error when the fault did what it must not do
 */
export async function injectFault(
  { kind, seconds, draw }: PlannedFault,
  fleet: Fleet,
  worker: FleetWorker,
  signal: AbortSignal,
): Promise<void> {
  const { proxy } = worker
  const lasts = async (ms: number): Promise<unknown> => delay(ms, undefined, { signal }).catch(() => undefined)
  switch (kind) {
    case 'kill':
      worker.launch.kill()
      await worker.launch.status()
      restart(worker, signal)
      return
    case 'drain':
      worker.launch.terminate()
      await Promise.race([worker.launch.status(), ended(signal)])
      restart(worker, signal)
      return
    case 'freeze':
      worker.freeze()
      await lasts(seconds * 1000)
      worker.thaw()
      return
    case 'freeze-coordinator':
      fleet.coordinator.child.kill('SIGSTOP')
      await lasts(seconds * 1000)
      fleet.coordinator.child.kill('SIGCONT')
      return
    case 'kill-coordinator': {
      await lasts(draw * KILLED_WITHIN_MS)
      if (signal.aborted) return
      const again = draw < KILLED_AGAIN ? (draw / KILLED_AGAIN) * STARTED_WITHIN_MS : undefined
      const { done, step } = await fleet.killCoordinator(again)
      if (step < done)
        throw new Error(`${done - step} of ${done} steps were computed again after a kill of the coordinator`)
      return
    }
    case 'slow-cpu':
      for (const endMs = Date.now() + seconds * 1000; Date.now() < endMs && !signal.aborted;) {
        worker.freeze()
        await lasts(STOPPED_MS)
        worker.thaw()
        await lasts(RUNNING_MS)
      }
      return
    case 'reset':
      proxy.reset()
      return
    case 'half-open':
      proxy.closeServerSides()
      return
    case 'flip':
      proxy.set(BOTH, { flips: FLIPS })
      return
    case 'delay': {
      const delayMs = MIN_DELAY_MS + draw * (MAX_DELAY_MS - MIN_DELAY_MS)
      proxy.set(BOTH, { delayMs, jitterMs: delayMs })
      break
    }
    case 'loss':
      proxy.set(BOTH, { lossRate: LOSS_RATE })
      break
    case 'slow-link':
      proxy.set(BOTH, {
        bytesPerSecond: SLOWEST_BYTES_PER_SECOND + draw * (FASTEST_BYTES_PER_SECOND - SLOWEST_BYTES_PER_SECOND),
      })
      break
    case 'dark-up':
      proxy.set(['up'], { blackhole: draw < 0.5 ? 'hold' : 'drop' })
      break
    case 'dark-down':
      proxy.set(['down'], { blackhole: draw < 0.5 ? 'hold' : 'drop' })
      break
    case 'dark':
      proxy.set(BOTH, { blackhole: draw < 0.5 ? 'hold' : 'drop' })
      break
  }
  await lasts(seconds * 1000)
  proxy.heal()
}

function restart(worker: FleetWorker, signal: AbortSignal): void {
  if (!signal.aborted) worker.restart()
}

async function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
