/** Kinds of work are measured separately: a gradient takes longer than an evaluation. */
export type WorkKind = string

/** How much a new measurement weighs. */
const WEIGHT = 0.3
/** Number of tasks that a slow worker is passed over before a trial. It doubles after each trial, up to a maximum. */
const FIRST_WAIT = 4
const MAX_WAIT = 128

interface Measured {
  /** undefined until the second result: the first one includes making the engine's graph. */
  shardMs: number | undefined
  /** Tasks that it was passed over since its last trial, and trials since it last got regular work. */
  waited: number
  trials: number
  isOnTrial: boolean
}

/**
 * Milliseconds per shard of one worker, as the coordinator sees them: computing, waiting and sending. Of a relay, those of its workers: they
 * compute at once, so a shard takes as long as one for each of them.
 */
export class Speed {
  readonly #kinds = new Map<WorkKind, Measured>()

  shardMs(kind: WorkKind): number | undefined {
    return this.#kinds.get(kind)?.shardMs
  }

  measure(kind: WorkKind, shardMs: number): void {
    const measured = this.#kinds.get(kind)
    if (measured === undefined) {
      this.#kinds.set(kind, { shardMs: undefined, waited: 0, trials: 0, isOnTrial: false })
      return
    }
    const { shardMs: before, isOnTrial } = measured
    // After being passed over, the estimate is old.
    measured.shardMs = before === undefined || isOnTrial ? shardMs : before + WEIGHT * (shardMs - before)
    if (!isOnTrial) measured.trials = 0
    measured.isOnTrial = false
  }

  /** Other workers finished its block earlier: it takes at least this time. */
  overtaken(kind: WorkKind, shardMs: number): void {
    const measured = this.#kinds.get(kind)
    if (measured === undefined) return this.measure(kind, shardMs)
    measured.isOnTrial = false
    if (shardMs > (measured.shardMs ?? 0)) measured.shardMs = shardMs
  }

  /**
   * A task ended in which the worker got no block because it is slow. Its estimate may come from a bad moment, such as its start: now
   * and then it is on trial and gets one shard in spite of the estimate.
   */
  passedOver(kind: WorkKind): void {
    const measured = this.#kinds.get(kind)
    if (measured === undefined || ++measured.waited < Math.min(MAX_WAIT, FIRST_WAIT * 2 ** measured.trials)) return
    measured.waited = 0
    measured.trials++
    measured.isOnTrial = true
  }

  isOnTrial(kind: WorkKind): boolean {
    return this.#kinds.get(kind)?.isOnTrial ?? false
  }
}
