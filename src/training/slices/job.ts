import type { SliceWork } from './slice-work.js'
import { doSlice, SLICE_LENGTH } from './slice-work.js'

/** Places in `counters`. */
export const NEXT = 0
export const DONE = 1
export const FAILED = 2

/** Work on a vector that several threads share. Each thread takes the next free slice until none is left. */
export interface Job {
  readonly work: SliceWork
  readonly length: number
  /** int32 in shared memory: the next slice to take, slices that are done, whether one failed. */
  readonly counters: Int32Array
  /** float64 in shared memory: the result of each slice. */
  readonly results: Float64Array
}

export function sliceCount(length: number): number {
  return Math.max(1, Math.ceil(length / SLICE_LENGTH))
}

export function sliceRange(slice: number, length: number): [begin: number, end: number] {
  return [slice * SLICE_LENGTH, Math.min(length, (slice + 1) * SLICE_LENGTH)]
}

/** Shares in a job until no slice is left to take; other threads may still be at theirs. */
export function takeSlices({ work, length, counters, results }: Job): void {
  for (;;) {
    const slice = Atomics.add(counters, NEXT, 1)
    if (slice >= results.length) return
    results[slice] = doSlice(work, ...sliceRange(slice, length))
    Atomics.add(counters, DONE, 1)
    Atomics.notify(counters, DONE)
  }
}
