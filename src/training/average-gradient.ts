import { nativeLoops, threadsFor } from '../shared/native-loops.js'

/** Sums of squares that grow side by side, as a processor's vector instructions add. */
const LANES = 8

/** Floats in a slice, for any number of threads: the sum of squares of a vector is a sum of slice sums (docs/decisions/007). */
export const SLICE_LENGTH = 2 ** 20

/** A tensor inside the flat vector, as far as the optimizer needs to know it. */
export interface TrainableTensor {
  readonly offset: number
  readonly size: number
  readonly l2: number
  /** Kernels: AdamW's weight decay is for tensors of two or more dimensions. */
  readonly decays: boolean
}

/**
 * The mean over the batch and L2, in place, for the elements up to `length`.
 * @param sum float32: sums over the batch in, gradients out
 * @returns the sum of the squares of each slice, float64: of each eighth element, from the slice's first, second … on; these eight sums are
 * added in order
 */
export function averageGradient(
  sum: Float32Array,
  weights: Float32Array,
  batchSize: number,
  tensors: readonly TrainableTensor[],
  length: number,
): Float64Array {
  const squares = new Float64Array(Math.ceil(length / SLICE_LENGTH))
  const native = nativeLoops()
  if (native) {
    const table = Float64Array.from(tensors.flatMap(({ offset, size, l2 }) => [offset, size, l2]))
    native.average(sum, weights, batchSize, table, squares, SLICE_LENGTH, length, threadsFor(length))
    return squares
  }
  return squares.map((_, slice) => {
    const begin = slice * SLICE_LENGTH
    return averageSlice(sum, weights, batchSize, tensors, begin, Math.min(begin + SLICE_LENGTH, length))
  })
}

function averageSlice(
  sum: Float32Array,
  weights: Float32Array,
  batchSize: number,
  tensors: readonly TrainableTensor[],
  begin: number,
  end: number,
): number {
  const lanes = new Float64Array(LANES)
  for (const { offset, size, l2 } of tensors) {
    const last = Math.min(offset + size, end)
    for (let index = Math.max(offset, begin); index < last; index++) {
      const g = Math.fround(sum[index]! / batchSize + 2 * l2 * weights[index]!)
      sum[index] = g
      lanes[(index - begin) % LANES]! += g * g
    }
  }
  return lanes.reduce((total, lane) => total + lane, 0)
}
