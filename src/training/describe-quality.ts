import { formatNumber, formatShare } from '../shared/units.js'
import type { Evaluation } from '../model/objectives/evaluation.js'

/** Measures that stand in `result.json` alone: accuracy and AUC are enough for a line. */
const DETAILS = /(^|_)(precision|recall|f1|top5)$/

/**
 * The quality of weights, for people: `accuracy 77.3 %, loss 0.6712`, of yes or no `accuracy 91.2 %, loss 0.2310, auc 0.961`, or
 * `loss 0.2310, mae 0.331, rmse 0.481, r2 0.812`.
 */
export function describeQuality({
  accuracy,
  loss,
  metrics = {},
}: Pick<Evaluation, 'accuracy' | 'loss' | 'metrics'>): string {
  return [
    ...(accuracy === undefined ? [] : [`accuracy ${formatShare(accuracy)}`]),
    `loss ${loss.toFixed(4)}`,
    ...Object.entries(metrics)
      .filter(([name]) => !DETAILS.test(name))
      .map(([name, value]) => `${name} ${formatNumber(value)}`),
  ].join(', ')
}
