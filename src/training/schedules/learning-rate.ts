import type { ScheduleConfig } from '../../model/config/run-config.js'
import { sineAndCosine } from '../../shared/trigonometry.js'

/** Half a cosine wave from `from` (progress 0) to `to` (progress 1). */
function cosineBetween(from: number, to: number, progress: number): number {
  return to + ((from - to) * (1 + sineAndCosine(Math.PI * Math.min(1, progress)).cosine)) / 2
}

/**
 * The learning rate of a step. One-cycle is Smith and Topin 2018 (cosine up, cosine down); cosine is Loshchilov and Hutter
 * 2017 without restarts, after a linear warm-up; step multiplies by `factor` at each milestone.
 * @param step 0 to totalSteps - 1
 */
export function learningRate(schedule: ScheduleConfig, step: number, totalSteps: number): number {
  const progress = totalSteps > 1 ? step / (totalSteps - 1) : 0
  switch (schedule.kind) {
    case 'one-cycle': {
      const { peak, warmup } = schedule
      if (progress < warmup) return cosineBetween(schedule.initial * peak, peak, progress / warmup)
      return cosineBetween(peak, schedule.final * peak, warmup < 1 ? (progress - warmup) / (1 - warmup) : 0)
    }
    case 'cosine': {
      const { peak, warmup } = schedule
      if (progress < warmup) return (peak * (step + 1)) / (warmup * (totalSteps - 1) + 1)
      return cosineBetween(peak, schedule.final * peak, warmup < 1 ? (progress - warmup) / (1 - warmup) : 0)
    }
    case 'step': {
      let rate = schedule.initial
      for (const milestone of schedule.milestones) if (progress >= milestone) rate *= schedule.factor
      return rate
    }
  }
}
