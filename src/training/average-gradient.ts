/** A tensor inside the flat vector, as far as the optimizer needs to know it. */
export interface TrainableTensor {
  readonly offset: number
  readonly size: number
  readonly l2: number
  /** Kernels: AdamW's weight decay is for tensors of two or more dimensions. */
  readonly decays: boolean
}

/**
 * The mean over the batch and L2, in place, for the elements from `begin` to `end`.
 * @param sum float32: sums over the batch in, gradients out
 * @returns the sum of their squares, float64, in vector order
 */
export function averageGradient(
  sum: Float32Array,
  weights: Float32Array,
  batchSize: number,
  tensors: readonly TrainableTensor[],
  begin: number,
  end: number,
): number {
  let squares = 0
  for (const { offset, size, l2 } of tensors) {
    const last = Math.min(offset + size, end)
    for (let index = Math.max(offset, begin); index < last; index++) {
      const g = Math.fround(sum[index]! / batchSize + 2 * l2 * weights[index]!)
      sum[index] = g
      squares += g * g
    }
  }
  return squares
}
