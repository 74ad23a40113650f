import type { z } from 'zod'
import type { KindSchema } from '../kinds.js'

/** Where a step is in the run. */
export interface StepPlace {
  /** 0 to totalSteps - 1. */
  readonly step: number
  /** That the schedule is planned for; a run can end earlier. */
  readonly totalSteps: number
  /** 0 at the first step, 1 at the last. */
  readonly progress: number
}

/**
 * A learning-rate schedule: its settings and the rate of each step. The same bits on every machine: no Math.pow, exp, sin or cos
 * (shared/trigonometry.ts has sine and cosine).
 */
export interface ScheduleDefinition<Schema extends KindSchema> {
  /** Its settings. The literal `kind` is its name. */
  readonly schema: Schema
  /** Name of the setting that is its highest rate: `--learning-rate` sets it. */
  readonly highest: Exclude<keyof z.output<Schema>, 'kind'> & string
  /** @returns the learning rate of the step */
  rate(config: z.output<Schema>, place: StepPlace): number
  /** For the page, such as `constant: 0.1`. */
  describe(config: z.output<Schema>): string
}

/** The documentation of the setting that is the highest rate. */
export const HIGHEST_RATE_TEXT = "the schedule's highest learning rate"

/** Infers the types of a definition. */
export function defineSchedule<Schema extends KindSchema>(
  definition: ScheduleDefinition<Schema>,
): ScheduleDefinition<Schema> {
  return definition
}
