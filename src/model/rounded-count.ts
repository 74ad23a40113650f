import type { Work } from '../shared/protocol/messages.js'
import type { RunDescription } from './run-description.js'

/**
 * How many values of a result, from the first, are rounded to bfloat16 in every node of the reduction tree: all gradients with
 * `wire: bfloat16`. Batch statistics, loss and measures never are, nor is anything of an evaluation.
 */
export function roundedCount(work: Work, { config, model }: Pick<RunDescription, 'config' | 'model'>): number {
  return work === 'WORK_GRADIENT' && config.wire === 'bfloat16' ? model.layout.trainableCount : 0
}
