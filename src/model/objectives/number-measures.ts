import type { Objective } from './objective.js'

/** Sums of one number over samples, with prediction p, target t and the mean m of the training targets. */
const SUMS = ['|p - t|', '(p - t)²', 't - m', '(t - m)²'] as const

/** Floats of `[ number 0: its {@link SUMS} | number 1 … ]`. */
export function numberSumsLength({ size }: Objective): number {
  return SUMS.length * size
}

/**
 * Mean absolute error (`mae`) and root mean squared error (`rmse`) over all numbers, and `r2`: the mean of their shares of explained
 * variance, as scikit-learn's uniform average. It does not exist where all targets of a number are equal.
 * @param sums float32 or float64, `[numberSumsLength(objective)]`; further elements are not read
 */
export function numberMeasures(sums: ArrayLike<number>, { size }: Objective, samples: number): Record<string, number> {
  const numbers = Array.from({ length: size }, (_, number) => {
    const [absolute, squared, shift, total] = SUMS.map((_, sum) => sums[number * SUMS.length + sum]!) as [
      ...[number, number, number, number],
    ]
    return { absolute, squared, variance: total - (shift * shift) / samples }
  })
  const mean = (valueOf: (number: (typeof numbers)[number]) => number): number =>
    numbers.reduce((sum, number) => sum + valueOf(number), 0) / size
  return {
    mae: mean(({ absolute }) => absolute / samples),
    rmse: Math.sqrt(mean(({ squared }) => squared / samples)),
    ...(numbers.every(({ variance }) => variance > 0) && {
      r2: mean(({ squared, variance }) => 1 - squared / variance),
    }),
  }
}
