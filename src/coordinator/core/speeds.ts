/** What is measured separately: a gradient takes longer than an evaluation. */
export type WorkKind = string

/** How much a new measurement weighs. */
const WEIGHT = 0.3
/** What a worker that was passed over gains per task: it gets another chance after a while. */
const FORGIVENESS = 0.99

interface Measured {
  /** undefined until the second result: the first one includes making the engine's graph. */
  shardMs: number | undefined
  bestMs: number
}

/** Milliseconds per shard of one worker, as the coordinator sees them: computing, waiting and sending. */
export class Speed {
  readonly #kinds = new Map<WorkKind, Measured>()

  shardMs(kind: WorkKind): number | undefined {
    return this.#kinds.get(kind)?.shardMs
  }

  /** The fastest that its average ever was. */
  bestMs(kind: WorkKind): number | undefined {
    const measured = this.#kinds.get(kind)
    return measured?.shardMs === undefined ? undefined : measured.bestMs
  }

  measure(kind: WorkKind, shardMs: number): void {
    const measured = this.#kinds.get(kind)
    if (measured === undefined) {
      this.#kinds.set(kind, { shardMs: undefined, bestMs: Infinity })
      return
    }
    const { shardMs: before } = measured
    measured.shardMs = before === undefined ? shardMs : before + WEIGHT * (shardMs - before)
    measured.bestMs = Math.min(measured.bestMs, measured.shardMs)
  }

  /** Others were sooner with its block: it takes no less than this. */
  overtaken(kind: WorkKind, shardMs: number): void {
    const measured = this.#kinds.get(kind)
    if (measured === undefined) this.measure(kind, shardMs)
    else if (shardMs > (measured.shardMs ?? 0)) {
      measured.shardMs = shardMs
      measured.bestMs = Math.min(measured.bestMs, shardMs)
    }
  }

  /** It was passed over for being slow. Its estimate moves towards the fastest, so that it is tried again some day. */
  forgive(kind: WorkKind, fastestMs: number): void {
    const measured = this.#kinds.get(kind)
    if (measured?.shardMs !== undefined) measured.shardMs = Math.max(fastestMs, measured.shardMs * FORGIVENESS)
  }
}
