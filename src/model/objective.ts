/** Losses of numbers, by the names that Keras has for them. */
export const NUMBER_LOSSES = ['meanSquaredError', 'meanAbsoluteError', 'huberLoss'] as const
export type NumberLoss = (typeof NUMBER_LOSSES)[number]

/** What a model learns whose outputs are numbers. */
export interface NumbersObjective {
  /** Of a sample: the mean over its outputs. */
  readonly loss: NumberLoss
  /** Mean of each output's targets over the training split, float32: sums relative to it lose no digits. */
  readonly targetMeans: readonly number[]
}

/** Sums of one output over samples, with prediction p, target t and the mean m of the training targets. */
const SUMS = ['|p - t|', '(p - t)²', 't - m', '(t - m)²'] as const

/** Floats of `[ output 0: its {@link SUMS} | output 1 … ]`. */
export function numberSumsLength({ targetMeans }: NumbersObjective): number {
  return SUMS.length * targetMeans.length
}

/**
 * Mean absolute error (`mae`) and root mean squared error (`rmse`) over all outputs, and `r2`: the mean of the outputs' shares of explained
 * variance, as scikit-learn's uniform average. It does not exist where all targets of an output are equal.
 * @param sums float32 or float64, `[numberSumsLength(objective)]`; further elements are not read
 */
export function measuresOf(
  sums: ArrayLike<number>,
  { targetMeans }: NumbersObjective,
  samples: number,
): Readonly<Record<string, number>> {
  const outputs = targetMeans.map((_, output) => {
    const [absolute, squared, shift, total] = SUMS.map((_, sum) => sums[output * SUMS.length + sum]!) as [
      ...[number, number, number, number],
    ]
    return { absolute, squared, variance: total - (shift * shift) / samples }
  })
  const mean = (valueOf: (output: (typeof outputs)[number]) => number): number =>
    outputs.reduce((sum, output) => sum + valueOf(output), 0) / outputs.length
  return {
    mae: mean(({ absolute }) => absolute / samples),
    rmse: Math.sqrt(mean(({ squared }) => squared / samples)),
    ...(outputs.every(({ variance }) => variance > 0) && {
      r2: mean(({ squared, variance }) => 1 - squared / variance),
    }),
  }
}
