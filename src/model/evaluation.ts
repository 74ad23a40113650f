import { measuresOf } from './objective.js'
import type { ModelDescription } from './parameter-layout.js'

/** The quality of weights on a set of samples. */
export interface Evaluation {
  readonly samples: number
  /** Mean loss per sample, without label smoothing and L2; of classes, the cross-entropy with the natural logarithm. */
  readonly loss: number
  /** Share of samples whose most probable class is the label, 0 to 1. Absent without classes. */
  readonly accuracy?: number
  /** `confusion[label][prediction]`: sample counts. Empty without classes. */
  readonly confusion: readonly (readonly number[])[]
  /** Without classes: `mae`, `rmse`, `r2`. */
  readonly metrics?: Readonly<Record<string, number>>
}

/**
 * @param sums without the loss, in the order of an evaluation vector; further elements are not read
 * @param lossSum over all samples
 */
export function decodeEvaluation(
  sums: Float32Array | Float64Array,
  lossSum: number,
  { classCount, objective }: Pick<ModelDescription, 'classCount' | 'objective'>,
  samples: number,
): Evaluation {
  const loss = lossSum / samples
  if (objective) return { samples, loss, confusion: [], metrics: measuresOf(sums, objective, samples) }
  const confusion = Array.from({ length: classCount }, (_, label) => [
    ...sums.subarray(label * classCount, (label + 1) * classCount),
  ])
  const correct = confusion.reduce((total, row, label) => total + row[label]!, 0)
  return { samples, loss, accuracy: correct / samples, confusion }
}
