import { z } from 'zod'

export const plateauSchema = z.strictObject({
  factor: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.5)
    .describe('what the learning rate is multiplied by after `patience` epochs without a better validation'),
  patience: z
    .int()
    .min(1)
    .max(100_000)
    .default(5)
    .describe('epochs without a better validation before the learning rate is reduced, and reduced again'),
  minRate: z
    .number()
    .min(0)
    .max(100)
    .default(0)
    .describe('learning rate below which it is not reduced; a schedule that falls lower by itself stays as it is'),
})
export type PlateauConfig = z.output<typeof plateauSchema>

/** How often the learning rate was reduced. */
export interface PlateauState {
  readonly reductions: number
  /** Steps before the last reduction; 0: there was none. */
  readonly step: number
}

/**
 * The state after a validation of which the best so far is known.
 * @param steps in the weights of that validation and of the best one
 * @param epochsAfter epochs of samples used after so many steps, fractional
 */
export function afterValidation(
  { patience }: PlateauConfig,
  state: PlateauState,
  steps: { readonly last: number; readonly best: number },
  epochsAfter: (steps: number) => number,
): PlateauState {
  const since = Math.max(steps.best, state.step)
  const epochs = Math.floor(epochsAfter(steps.last)) - Math.floor(epochsAfter(since))
  return epochs >= patience ? { reductions: state.reductions + 1, step: steps.last } : state
}

/** The learning rate after reductions, float64: multiplied once for each of them. @param scheduled by the schedule */
export function reducedRate({ factor, minRate }: PlateauConfig, reductions: number, scheduled: number): number {
  if (scheduled <= minRate) return scheduled
  let rate = scheduled
  for (let reduction = 0; reduction < reductions && rate > minRate; reduction++) rate *= factor
  return Math.max(rate, minRate)
}
