import type { EvaluationResult } from './run-events.js'

/** A validation of some weights, as far as it decides which are the best. */
export type Validation = Pick<EvaluationResult, 'step' | 'accuracy' | 'loss'>

/**
 * Whether weights are better than the best so far: by higher validation accuracy where there are classes, then lower loss, then later step. A loss that is
 * not a number is worse than any other, at any accuracy.
 */
export function isBetter(validation: Validation, best: Validation | undefined): boolean {
  if (best === undefined) return true
  const [isNumber, wasNumber] = [!Number.isNaN(validation.loss), !Number.isNaN(best.loss)]
  if (isNumber !== wasNumber) return isNumber
  const [accuracy, bestAccuracy] = [validation.accuracy ?? 0, best.accuracy ?? 0]
  if (accuracy !== bestAccuracy) return accuracy > bestAccuracy
  if (isNumber && validation.loss !== best.loss) return validation.loss < best.loss
  return validation.step > best.step
}
