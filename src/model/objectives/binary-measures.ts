import { precisionAndRecall } from './class-measures.js'
import type { Objective } from './objective.js'

/** Parts of equal width of the probabilities from 0 to 1, that samples are counted in. The upper half is predicted as yes. */
export const BINS = 1_000

/** Floats of `[ number 0: targets of no in each bin, targets of yes in each bin | number 1 … ]`. */
export function binarySumsLength({ size }: Objective): number {
  return 2 * BINS * size
}

/**
 * Measures of numbers that are yes (1) or no (0), means over all of them: `accuracy`, `precision`, `recall` and `f1` of yes, from a probability of
 * 0.5, and `auc`, the area under the ROC curve. Samples of one bin count as equally probable, so that `auc` is exact to a thousandth of the
 * probability and follows from counts alone, whatever their order. It does not exist where all targets are the same.
 * @param sums float32 or float64, `[binarySumsLength(objective)]`; further elements are not read
 */
export function binaryMeasures(
  sums: Float32Array | Float64Array,
  { size }: Objective,
): { readonly accuracy: number; readonly metrics: Record<string, number> } {
  const numbers = Array.from({ length: size }, (_, number) => {
    const start = 2 * BINS * number
    return ofOneNumber(sums.subarray(start, start + BINS), sums.subarray(start + BINS, start + 2 * BINS))
  })
  const mean = (valueOf: (number: (typeof numbers)[number]) => number): number =>
    numbers.reduce((sum, number) => sum + valueOf(number), 0) / size
  return {
    accuracy: mean(({ accuracy }) => accuracy),
    metrics: {
      precision: mean(({ precision }) => precision),
      recall: mean(({ recall }) => recall),
      f1: mean(({ f1 }) => f1),
      ...(numbers.every(({ auc }) => auc !== undefined) && { auc: mean(({ auc }) => auc!) }),
    },
  }
}

/** @param no counts of the targets 0 by bin; @param yes of the targets 1 */
function ofOneNumber(no: ArrayLike<number>, yes: ArrayLike<number>) {
  const total = (counts: ArrayLike<number>, from: number): number =>
    Array.from(counts)
      .slice(from)
      .reduce((sum, count) => sum + count, 0)
  const [allNo, allYes] = [total(no, 0), total(yes, 0)]
  const [wrong, right] = [total(no, BINS / 2), total(yes, BINS / 2)]
  let area = 0
  let noBelow = 0
  // The share of pairs of a yes and a no whose order is right; of one bin, half of them.
  for (let bin = 0; bin < BINS; bin++) {
    area += yes[bin]! * (noBelow + no[bin]! / 2)
    noBelow += no[bin]!
  }
  return {
    accuracy: (allNo - wrong + right) / (allNo + allYes),
    ...precisionAndRecall(right, wrong + right, allYes),
    auc: allNo > 0 && allYes > 0 ? area / (allNo * allYes) : undefined,
  }
}
