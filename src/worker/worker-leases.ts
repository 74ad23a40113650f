import type { LeaseMessage } from '../shared/protocol/messages.js'

/** State of a lease after one of its shards. outdated: newer weights replaced its own. */
export type LeaseState = 'current' | 'revoked' | 'outdated'

/**
 * The leases of a worker, from their arrival to their end: which one waits for its weights, and which one is computed. It knows no time,
 * thread or vector: the compute thread runs it, and so does the simulator.
 */
export class WorkerLeases {
  #weightsVersion = 0
  /** Until its weights are there. A newer lease takes its place. */
  #waiting: LeaseMessage | undefined
  #running: LeaseMessage | undefined

  /** A new membership: a coordinator that was started again counts leases and weights anew, and old ones must not pass for new ones. */
  reset(): void {
    this.#weightsVersion = 0
    this.#waiting = undefined
    this.#running = undefined
  }

  /** @returns whether its weights have to be fetched first */
  take(lease: LeaseMessage): boolean {
    this.#waiting = lease
    return lease.weightsVersion > this.#weightsVersion
  }

  /** @returns whether these weights are newer than those that are there, which they replace */
  takeWeights(version: number): boolean {
    if (version <= this.#weightsVersion) return false
    this.#weightsVersion = version
    return true
  }

  revoke(lease: number): void {
    if (this.#waiting?.lease === lease) this.#waiting = undefined
    if (this.#running?.lease === lease) this.#running = undefined
  }

  /** The lease that waits, once its weights are there, to be computed; outdated when newer ones are. */
  start(): { readonly lease: LeaseMessage; readonly state: 'current' | 'outdated' } | undefined {
    const lease = this.#waiting
    if (lease === undefined || lease.weightsVersion > this.#weightsVersion) return undefined
    this.#waiting = undefined
    if (lease.weightsVersion < this.#weightsVersion) return { lease, state: 'outdated' }
    this.#running = lease
    return { lease, state: 'current' }
  }

  /** Between two shards of a lease: whether the next one is wanted. */
  stateOf(lease: LeaseMessage): LeaseState {
    if (this.#running !== lease) return 'revoked'
    return lease.weightsVersion === this.#weightsVersion ? 'current' : 'outdated'
  }
}

/** Why an outdated lease failed, for messages. */
export const OUTDATED = 'its weights were replaced by newer ones'
