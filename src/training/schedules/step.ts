import { z } from 'zod'
import { formatNumber, formatPercent } from '../../shared/units.js'
import { defineSchedule, HIGHEST_RATE_TEXT } from './define-schedule.js'

/** Steps down: the rate is multiplied by `factor` at each milestone. */
export const step = defineSchedule({
  schema: z.strictObject({
    kind: z.literal('step'),
    initial: z
      .number()
      .positive()
      .max(100)
      .describe(`${HIGHEST_RATE_TEXT}, used from the first step to the first milestone`),
    milestones: z
      .array(z.number().gt(0).lt(1))
      .max(100)
      .default([0.5, 0.75])
      .describe('shares of all steps at which the rate is multiplied by the factor, once for each'),
    factor: z.number().positive().lt(1).default(0.1).describe('multiplies the learning rate at each milestone'),
  }),
  highest: 'initial',
  rate({ initial, milestones, factor }, { progress }) {
    let rate = initial
    for (const milestone of milestones) if (progress >= milestone) rate *= factor
    return rate
  },
  describe({ initial, milestones, factor }) {
    const start = formatNumber(initial)
    if (milestones.length === 0) return `constant: ${start}`
    const shares = new Intl.ListFormat('en-GB').format(milestones.map(formatPercent))
    return `steps: ${start}, multiplied by ${formatNumber(factor)} after ${shares} of the steps`
  },
})
