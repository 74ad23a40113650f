import type { z } from 'zod'
import type { KindSchema } from '../kinds.js'
import { kindOf, schemaOf } from '../kinds.js'
import { adadelta } from './adadelta.js'
import { adagrad } from './adagrad.js'
import { adamax } from './adamax.js'
import { adamw } from './adamw.js'
import type { OptimizerDefinition } from './define-optimizer.js'
import { rmsprop } from './rmsprop.js'
import { sgd } from './sgd.js'

/** All optimizers. A new one is a file like sgd.ts and a place here: docs/guides/extend.md. */
const OPTIMIZERS = [sgd, adamw, rmsprop, adagrad, adadelta, adamax] as const

export const optimizerSchema = schemaOf(OPTIMIZERS)
export type OptimizerConfig = z.output<typeof optimizerSchema>

type OptimizerSchema = KindSchema & z.ZodType<OptimizerConfig>

/** Of the optimizer that settings are for. */
export function optimizerOf({ kind }: OptimizerConfig): OptimizerDefinition<OptimizerSchema, string, string> {
  return OPTIMIZERS.find((optimizer) => kindOf(optimizer) === kind) as OptimizerDefinition<
    OptimizerSchema,
    string,
    string
  >
}
