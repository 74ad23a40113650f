/** The phases of a step, on workers and on the coordinator. */
export const PHASE_MEANINGS = {
  build: { worker: "the first shard of a kind, which builds the engine's graph", coordinator: undefined },
  sample: { worker: 'choosing samples and gathering their pixels', coordinator: undefined },
  augment: {
    worker: 'drawing the transforms; pixels are transformed inside the graph, with `forward_backward`',
    coordinator: undefined,
  },
  forward_backward: { worker: 'the graph of a training shard', coordinator: undefined },
  encode: { worker: 'adding shards and writing the sum to the send buffer', coordinator: undefined },
  send: { worker: 'handing a result to the connection', coordinator: undefined },
  wait: { worker: 'waiting for the next lease', coordinator: 'waiting for results' },
  reduce: { worker: undefined, coordinator: 'checking and adding results' },
  journal: { worker: undefined, coordinator: 'appending the gradient to the step journal' },
  apply: { worker: undefined, coordinator: 'computing weights from the gradient' },
  publish: { worker: undefined, coordinator: 'publishing weights to workers' },
  evaluate: { worker: 'a shard of an evaluation', coordinator: 'a whole evaluation' },
  checkpoint: { worker: undefined, coordinator: 'saving a model; checkpoints are written beside the steps' },
} as const

export type Phase = keyof typeof PHASE_MEANINGS

export const PHASES = Object.keys(PHASE_MEANINGS) as readonly Phase[]

/** Upper bounds in seconds; one more bucket counts longer times. */
export const PHASE_BUCKETS = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10] as const

/** All durations of a phase since the start. */
export interface PhaseReport {
  readonly phase: Phase
  /** Count of each bucket, not cumulative; `PHASE_BUCKETS.length + 1` of them. */
  readonly counts: readonly number[]
  readonly seconds: number
}

/** Adds up the durations of phases. Recording costs an addition and a short search. */
export class PhaseTimes {
  readonly #phases = new Map<Phase, { counts: number[]; seconds: number }>()

  record(phase: Phase, seconds: number): void {
    const times = this.#of(phase)
    let bucket = 0
    while (bucket < PHASE_BUCKETS.length && seconds > PHASE_BUCKETS[bucket]!) bucket++
    times.counts[bucket]!++
    times.seconds += seconds
  }

  /** Adds the durations of another instance. */
  add(reports: readonly PhaseReport[]): void {
    for (const { phase, counts, seconds } of reports) {
      const times = this.#of(phase)
      counts.forEach((count, bucket) => {
        times.counts[bucket]! += count
      })
      times.seconds += seconds
    }
  }

  report(): PhaseReport[] {
    return [...this.#phases].map(([phase, { counts, seconds }]) => ({ phase, counts: [...counts], seconds }))
  }

  #of(phase: Phase): { counts: number[]; seconds: number } {
    let times = this.#phases.get(phase)
    if (times === undefined) {
      times = { counts: new Array<number>(PHASE_BUCKETS.length + 1).fill(0), seconds: 0 }
      this.#phases.set(phase, times)
    }
    return times
  }
}

/** The durations in `after` that are not in `before`, which is of the same phases earlier. */
export function phasesSince(before: readonly PhaseReport[], after: readonly PhaseReport[]): PhaseReport[] {
  return after.map(({ phase, counts, seconds }) => {
    const earlier = before.find((report) => report.phase === phase)
    if (earlier === undefined) return { phase, counts, seconds }
    return {
      phase,
      counts: counts.map((count, bucket) => count - earlier.counts[bucket]!),
      // Added in another order, equal sums may differ by a rounding.
      seconds: Math.max(0, seconds - earlier.seconds),
    }
  })
}

/** How often a phase ran, and its mean duration in seconds. */
export function phaseMean({ counts, seconds }: PhaseReport): { readonly times: number; readonly meanSeconds: number } {
  const times = counts.reduce((sum, count) => sum + count, 0)
  return { times, meanSeconds: times > 0 ? seconds / times : 0 }
}
