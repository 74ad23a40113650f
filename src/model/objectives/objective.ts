/** Losses of numbers, by the names that Keras has for them. */
export const NUMBER_LOSSES = ['meanSquaredError', 'meanAbsoluteError', 'huberLoss', 'binaryCrossentropy'] as const
export type NumberLoss = (typeof NUMBER_LOSSES)[number]

/** All that are not custom. */
export const BUILT_IN_LOSSES: readonly string[] = ['crossEntropy', ...NUMBER_LOSSES]

/** How targets and outputs are compared: classes, numbers that are yes or no, or other numbers. */
export type ObjectiveKind = 'classes' | 'binary' | 'numbers'

/** What kind of numbers this loss is for. */
export function kindOfNumbers(loss: string): Exclude<ObjectiveKind, 'classes'> {
  return loss === 'binaryCrossentropy' ? 'binary' : 'numbers'
}

/** What one output of a model learns. */
export interface Objective {
  /** Of the target. With several outputs, its measures begin with it. */
  readonly name: string
  readonly kind: ObjectiveKind
  /** Of a sample; of several numbers, the mean over them. One of {@link BUILT_IN_LOSSES}, or custom. */
  readonly loss: string
  /** Numbers of an output: one for each class. */
  readonly size: number
  /** Mean of each number's targets over the training split, float32. Absent where there are classes, or zeros and ones. */
  readonly targetMeans?: readonly number[]
  /** Factor of the loss in the sum over all outputs. Absent: 1. */
  readonly weight?: number
  /** Names of custom metrics of this output. Absent: none. */
  readonly metrics?: readonly string[]
}

/** The activation of the last layer that a loss contains: without it, the layer gives logits. undefined: it contains none. */
export function containedActivation({ loss }: Objective): 'softmax' | 'sigmoid' | undefined {
  if (loss === 'crossEntropy') return 'softmax'
  return loss === 'binaryCrossentropy' ? 'sigmoid' : undefined
}

/** Measures of objectives in one list: with several outputs, each has the name of its output before it. */
export function namedMeasures<Value>(
  objectives: readonly Objective[],
  measures: (objective: Objective) => readonly (readonly [name: string, value: Value])[],
): [name: string, value: Value][] {
  const areSeveral = objectives.length > 1
  return objectives.flatMap((objective) =>
    measures(objective).map(([name, value]): [string, Value] => [
      areSeveral ? `${objective.name}_${name}` : name,
      value,
    ]),
  )
}

/**
 * What a training step measures besides the loss, in the order of the gradient vector: accuracy of classes and of yes or no, otherwise the mean
 * absolute error. With several outputs, also the loss of each.
 */
export function stepMeasures(objectives: readonly Objective[]): string[] {
  const areSeveral = objectives.length > 1
  return namedMeasures(objectives, (objective) => [
    ...(areSeveral ? [['loss', undefined] as const] : []),
    [objective.kind === 'numbers' ? 'mae' : 'accuracy', undefined],
  ]).map(([name]) => name)
}
