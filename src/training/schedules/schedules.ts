import type { z } from 'zod'
import type { KindSchema } from '../kinds.js'
import { kindOf, schemaOf } from '../kinds.js'
import { cosine } from './cosine.js'
import type { ScheduleDefinition } from './define-schedule.js'
import { oneCycle } from './one-cycle.js'
import { step } from './step.js'

/** All learning-rate schedules. A new one is a file like cosine.ts and a place here: docs/guides/extend.md. */
const SCHEDULES = [oneCycle, cosine, step] as const

export const scheduleSchema = schemaOf(SCHEDULES)
export type ScheduleConfig = z.output<typeof scheduleSchema>

type ScheduleSchema = KindSchema & z.ZodType<ScheduleConfig>

/** Of the schedule that settings are for; undefined: there is none of that kind. */
export function scheduleOf(kind: ScheduleConfig['kind']): ScheduleDefinition<ScheduleSchema>
export function scheduleOf(kind: unknown): ScheduleDefinition<ScheduleSchema> | undefined
export function scheduleOf(kind: unknown): ScheduleDefinition<ScheduleSchema> | undefined {
  return SCHEDULES.find((schedule) => kindOf(schedule) === kind) as ScheduleDefinition<ScheduleSchema> | undefined
}

/**
 * The learning rate of a step.
 * @param step 0 to totalSteps - 1
 */
export function learningRate(config: ScheduleConfig, step: number, totalSteps: number): number {
  const progress = totalSteps > 1 ? step / (totalSteps - 1) : 0
  return scheduleOf(config.kind).rate(config, { step, totalSteps, progress })
}
