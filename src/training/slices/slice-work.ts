import fs from 'node:fs'
import { addInto } from '../../shared/reduction-tree.js'
import type { TrainableTensor } from '../average-gradient.js'
import { averageGradient } from '../average-gradient.js'
import { firstBadValue } from '../first-bad-value.js'
import type { OptimizerStep } from '../optimizers/define-optimizer.js'
import type { OptimizerConfig } from '../optimizers/optimizers.js'
import { update } from '../optimizers/optimizer.js'

/** Floats in a slice, for any number of slice threads: sums over a vector are sums of slice sums (docs/decisions/007). */
export const SLICE_LENGTH = 2 ** 20

/** What can be done to a long vector slice by slice. Plain data: it travels to other threads, which see the same vectors. */
export type SliceWork =
  /** From a file. @returns 0; 1 when the file is too short */
  | { readonly kind: 'read'; readonly descriptor: number; readonly vector: Float32Array }
  /** @returns see {@link firstBadValue} */
  | { readonly kind: 'find-bad'; readonly vector: Float32Array }
  /** left += right. @returns 0 */
  | { readonly kind: 'add'; readonly left: Float32Array; readonly right: Float32Array }
  /** @returns see {@link averageGradient} */
  | {
      readonly kind: 'average'
      readonly sum: Float32Array
      readonly weights: Float32Array
      readonly batchSize: number
      readonly tensors: readonly TrainableTensor[]
    }
  /** See {@link update}. @returns 0 */
  | {
      readonly kind: 'update'
      readonly step: OptimizerStep<OptimizerConfig>
      readonly weights: Float32Array
      readonly gradient: Float32Array
      readonly scale: number
    }

/** Does the work on one slice; every thread calls this function. @returns a number, see the kinds of {@link SliceWork} */
export function doSlice(work: SliceWork, begin: number, end: number): number {
  switch (work.kind) {
    case 'read': {
      const bytes = 4 * (end - begin)
      return Number(fs.readSync(work.descriptor, work.vector, 4 * begin, bytes, 4 * begin) !== bytes)
    }
    case 'find-bad':
      return firstBadValue(work.vector, begin, end)
    case 'add':
      addInto(work.left, work.right, begin, end)
      return 0
    case 'average':
      return averageGradient(work.sum, work.weights, work.batchSize, work.tensors, begin, end)
    case 'update':
      update(work.step, work.weights, work.gradient, work.scale, begin, end)
      return 0
  }
}
