import { WeightsStore } from '../coordinator/weights-store.js'
import type { WorkerPool } from '../coordinator/worker-pool.js'
import { ConvoyError } from '../shared/errors.js'
import type { VirtualTime } from './virtual-time.js'

/** What simulated workers join: a coordinator or a relay. */
export interface SimulatedServer {
  readonly pool: WorkerPool
  readonly publishedWeights: { readonly version: number; readonly values: Float32Array }
  /** A message arrives. */
  deliver(run: () => void): void
}

/** Keeps a copy of the weights that were published last. */
export class RecordedWeights extends WeightsStore {
  published: SimulatedServer['publishedWeights'] = { version: 0, values: new Float32Array(0) }

  override publish(weights: Float32Array): number {
    const version = super.publish(weights)
    this.published = { version, values: weights.slice() }
    return version
  }
}

/**
 * The sender of an invalid message loses its membership, as in the gRPC services.
 * @returns whether the message was valid
 */
export function guard({ pool }: SimulatedServer, worker: number, run: () => void): boolean {
  try {
    run()
    return true
  } catch (thrown) {
    const error = ConvoyError.from(thrown)
    if (error.code !== 'protocol') throw error
    pool.connections.drop(worker, 'sent a message that makes no sense')
    return false
  }
}

/** One timer that is set anew all the time, as WakeTimer. @returns sets it */
export function wakeTimer(time: VirtualTime, wake: () => void): (atMs: number) => void {
  let dueMs = Infinity
  return (atMs) => {
    dueMs = atMs
    if (atMs === Infinity) return
    time.at(atMs, () => {
      if (dueMs !== atMs) return
      dueMs = Infinity
      wake()
    })
  }
}
