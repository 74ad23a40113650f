import type { KindSchema } from '../kinds.js'
import type { z } from 'zod'
import type { TrainableTensor } from '../average-gradient.js'

/** One step of an optimizer. */
export interface OptimizerStep<Config = unknown, Vectors extends string = string, Numbers extends string = string> {
  readonly config: Config
  readonly learningRate: number
  /** Float32 state, each `[layout.trainableCount]`, by name. */
  readonly vectors: Readonly<Record<Vectors, Float32Array>>
  readonly numbers: Readonly<Record<Numbers, number>>
  readonly tensors: readonly TrainableTensor[]
}

/**
 * An optimizer: its settings, its state, and what a step does to the weights. The same bits on every machine: all state is
 * float32, arithmetic is float64, element by element, and rounded where it is stored; no Math.pow, exp, sin or cos, whose last bit
 * is not the same in every version of V8.
 */
export interface OptimizerDefinition<Schema extends KindSchema, Vectors extends string, Numbers extends string> {
  /** Its settings. The literal `kind` is its name. */
  readonly schema: Schema
  /** Names of its state vectors, float32 `[layout.trainableCount]`. */
  readonly vectors: readonly Vectors[]
  /** What all elements of a vector are before the first step. @default 0 */
  firstValues?(config: z.output<Schema>): Partial<Record<Vectors, number>>
  /** Its numbers before the first step. */
  readonly numbers: Readonly<Record<Numbers, number>>
  /** The numbers of a step from those of the step before. @default they stay as they are */
  advance?(config: z.output<Schema>, numbers: Readonly<Record<Numbers, number>>): Record<Numbers, number>
  /**
   * The part of a step from element `begin` to `end`, in place. No element may depend on another: a native loop works on several at a time.
   * @param weights float32, at least `[layout.trainableCount]`
   * @param gradient float32, likewise: averaged over the batch, with L2
   * @param scale factor of the gradient: below 1 where clipping applies
   */
  update(
    step: OptimizerStep<z.output<Schema>, Vectors, Numbers>,
    weights: Float32Array,
    gradient: Float32Array,
    scale: number,
    begin: number,
    end: number,
  ): void
  /** For the page, such as `SGD, Nesterov momentum 0.9`. */
  describe(config: z.output<Schema>): string
}

/** Infers the types of a definition. */
export function defineOptimizer<
  Schema extends KindSchema,
  const Vectors extends string,
  const Numbers extends string = never,
>(definition: OptimizerDefinition<Schema, Vectors, Numbers>): OptimizerDefinition<Schema, Vectors, Numbers> {
  return definition
}
