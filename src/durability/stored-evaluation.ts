import { z } from 'zod'
import { SPLIT_NAMES } from '../data/dataset.js'
import { NOT_FINITE } from './every-number.js'

const count = z.int().min(0)
const number = z.union([z.number(), z.enum(NOT_FINITE).transform(Number)])

/** An evaluation's result as checkpoints and journal hold it. */
export const evaluationSchema = z.strictObject({
  split: z.enum(SPLIT_NAMES),
  step: count,
  samples: count,
  loss: number,
  accuracy: z.number().min(0).max(1).exactOptional(),
  confusion: z.array(z.array(count)),
  metrics: z.record(z.string(), number).exactOptional(),
  durationMs: z.number().min(0),
})
