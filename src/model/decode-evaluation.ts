/** The quality of weights on a set of samples. */
export interface Evaluation {
  readonly samples: number
  /** Mean cross-entropy per sample, natural logarithm, without label smoothing and L2. */
  readonly loss: number
  /** Share of samples whose most probable class is the label, 0 to 1. */
  readonly accuracy: number
  /** `confusion[label][prediction]`: sample counts. */
  readonly confusion: readonly (readonly number[])[]
}

/**
 * @param counts of `[classCount, classCount]`: label, then prediction; further elements are not read
 * @param lossSum over all samples
 */
export function decodeEvaluation(
  counts: Float32Array | Float64Array,
  lossSum: number,
  classCount: number,
  samples: number,
): Evaluation {
  const confusion = Array.from({ length: classCount }, (_, label) => [
    ...counts.subarray(label * classCount, (label + 1) * classCount),
  ])
  const correct = confusion.reduce((total, row, label) => total + row[label]!, 0)
  return { samples, loss: lossSum / samples, accuracy: correct / samples, confusion }
}
