import { z } from 'zod'
import { formatNumber, formatPercent } from '../../shared/units.js'
import { defineSchedule, HIGHEST_RATE_TEXT } from './define-schedule.js'
import { halfCosine } from './half-cosine.js'

/** Cosine, Loshchilov and Hutter 2017 without restarts, after a linear warm-up. */
export const cosine = defineSchedule({
  schema: z.strictObject({
    kind: z.literal('cosine'),
    peak: z.number().positive().max(100).describe(HIGHEST_RATE_TEXT),
    warmup: z
      .number()
      .min(0)
      .max(1)
      .default(0.05)
      .describe('share of all steps in which the rate rises linearly to the peak'),
    final: z.number().min(0).max(1).default(0).describe('learning rate at the last step, as a share of the peak'),
  }),
  highest: 'peak',
  rate({ peak, warmup, final }, { step, totalSteps, progress }) {
    if (progress < warmup) return (peak * (step + 1)) / (warmup * (totalSteps - 1) + 1)
    return halfCosine(peak, final * peak, warmup < 1 ? (progress - warmup) / (1 - warmup) : 0)
  },
  describe({ peak, warmup, final }) {
    const [top, end] = [peak, final * peak].map(formatNumber)
    const rise = warmup === 0 ? `from ${top}` : `up to ${top} in the first ${formatPercent(warmup)} of the steps, then`
    return `cosine: ${rise} down to ${end}`
  },
})
