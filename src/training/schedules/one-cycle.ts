import { z } from 'zod'
import { formatNumber, formatPercent } from '../../shared/units.js'
import { defineSchedule, HIGHEST_RATE_TEXT } from './define-schedule.js'
import { halfCosine } from './half-cosine.js'

/** One-cycle, Smith and Topin 2018: cosine up, cosine down. */
export const oneCycle = defineSchedule({
  schema: z.strictObject({
    kind: z.literal('one-cycle'),
    peak: z.number().positive().max(100).describe(HIGHEST_RATE_TEXT),
    warmup: z.number().min(0).max(1).default(0.25).describe('share of all steps in which the rate rises to the peak'),
    initial: z
      .number()
      .min(0)
      .max(1)
      .default(0.1)
      .describe('learning rate at the first step, as a share of the peak; without warm-up the first step has the peak'),
    final: z
      .number()
      .min(0)
      .max(1)
      .default(0.001)
      .describe(
        'learning rate at the last step, as a share of the peak; with warm-up in all steps the last step has the peak',
      ),
  }),
  highest: 'peak',
  rate({ peak, warmup, initial, final }, { progress }) {
    if (progress < warmup) return halfCosine(initial * peak, peak, progress / warmup)
    return halfCosine(peak, final * peak, warmup < 1 ? (progress - warmup) / (1 - warmup) : 0)
  },
  describe({ peak, warmup, initial, final }) {
    const [from, to, end] = [initial * peak, peak, final * peak].map(formatNumber)
    return `one cycle: from ${from} up to ${to} in the first ${formatPercent(warmup)} of the steps, then down to ${end}`
  },
})
