import { median } from '../engine-benchmark.js'

/** What a program prints when it has trained. */
export interface Training {
  /** Since 1970, of each epoch. */
  readonly epochEndsMs: readonly number[]
  /** Of the last epoch. */
  readonly loss: number
  /** Accuracy, or mean absolute error, of the last epoch. */
  readonly measure: number
}

/** One turn of a contestant. */
export interface FitTurn {
  /** From the start of its process to the end of it. */
  readonly seconds: number
  /** From the start of its process to the end of the first epoch. */
  readonly firstEpochSeconds: number
  /** From the end of the first epoch to that of the last one. */
  readonly samplesPerSecond: number
  readonly loss: number
  readonly measure: number
}

export interface FitResult {
  readonly name: string
  readonly turns: readonly FitTurn[]
}

/** @param startedMs when the process started, since 1970 @param seconds until its end @param samples of an epoch */
export function turnOf(
  { epochEndsMs, loss, measure }: Training,
  startedMs: number,
  seconds: number,
  samples: number,
): FitTurn {
  const [first, last] = [epochEndsMs[0]!, epochEndsMs.at(-1)!]
  return {
    seconds,
    firstEpochSeconds: (first - startedMs) / 1000,
    samplesPerSecond: (1000 * samples * (epochEndsMs.length - 1)) / (last - first),
    loss,
    measure,
  }
}

/** How many times as fast `ours` is, from the start of the process to its end, turn by turn. */
export function speedup(ours: FitResult, other: FitResult): number {
  return median(other.turns.map(({ seconds }, turn) => seconds / ours.turns[turn]!.seconds))
}
