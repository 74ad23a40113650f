import { formatNumber, formatShare } from '../shared/units.js'
import type { Evaluation } from '../model/evaluation.js'

/** The quality of weights, for people: `accuracy 77.3 %, loss 0.6712`, or `loss 0.2310, mae 0.331, rmse 0.481, r2 0.812`. */
export function describeQuality({
  accuracy,
  loss,
  metrics = {},
}: Pick<Evaluation, 'accuracy' | 'loss' | 'metrics'>): string {
  return [
    ...(accuracy === undefined ? [] : [`accuracy ${formatShare(accuracy)}`]),
    `loss ${loss.toFixed(4)}`,
    ...Object.entries(metrics).map(([name, value]) => `${name} ${formatNumber(value)}`),
  ].join(', ')
}
