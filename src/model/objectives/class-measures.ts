import type { Objective } from './objective.js'

/** `top5`: the share of samples whose label is among the five most probable classes. */
export const TOP = 5

/** Whether there are so many classes that {@link TOP} says something. */
export function hasTop({ size }: Pick<Objective, 'size'>): boolean {
  return size > TOP
}

/** Floats of `[ confusion[label][prediction] … | samples whose label is among the TOP ]`; the last one only where {@link hasTop}. */
export function classSumsLength({ size }: Objective): number {
  return size * size + (hasTop({ size }) ? 1 : 0)
}

/** @param sums float32 or float64, `[classSumsLength(objective)]` @returns `confusion[label][prediction]`: sample counts */
export function confusionOf(sums: Float32Array | Float64Array, { size }: Objective): number[][] {
  return Array.from({ length: size }, (_, label) => [...sums.subarray(label * size, (label + 1) * size)])
}

/**
 * Accuracy, and the means over classes of precision, recall and F1, as scikit-learn's macro average: a class that was never predicted has
 * precision 0, and one without samples counts as 0 like it.
 * @param confusion `[label][prediction]`
 */
export function classMeasures(
  confusion: readonly (readonly number[])[],
  samples: number,
): { readonly accuracy: number; readonly precision: number; readonly recall: number; readonly f1: number } {
  const classes = confusion.map((row, label) => {
    const right = row[label]!
    const labelled = row.reduce((sum, count) => sum + count, 0)
    const predicted = confusion.reduce((sum, other) => sum + other[label]!, 0)
    return precisionAndRecall(right, predicted, labelled)
  })
  const mean = (measure: 'precision' | 'recall' | 'f1'): number =>
    classes.reduce((sum, one) => sum + one[measure], 0) / classes.length
  const correct = confusion.reduce((sum, row, label) => sum + row[label]!, 0)
  return { accuracy: correct / samples, precision: mean('precision'), recall: mean('recall'), f1: mean('f1') }
}

/** Of one class, 0 to 1. A share of nothing is 0. */
export function precisionAndRecall(
  right: number,
  predicted: number,
  labelled: number,
): { readonly precision: number; readonly recall: number; readonly f1: number } {
  const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole)
  return {
    precision: share(right, predicted),
    recall: share(right, labelled),
    f1: share(2 * right, predicted + labelled),
  }
}
