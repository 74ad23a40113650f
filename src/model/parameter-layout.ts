import type { Column } from '../data/dataset.js'
import type { FrozenWeights } from './frozen-weights.js'
import type { NumbersObjective } from './objective.js'
import { numberSumsLength } from './objective.js'
import { ConvoyError } from '../shared/errors.js'

/** How a parameter gets its first value. Every draw is keyed by (seed, tensor index, element). */
export type Initializer =
  | { readonly kind: 'constant'; readonly value: number }
  /** Uniform in [-limit, limit). */
  | { readonly kind: 'uniform'; readonly limit: number }
  /** Uniform in [low, high). */
  | { readonly kind: 'range'; readonly low: number; readonly high: number }
  /** Truncated: within two deviations of the mean. */
  | { readonly kind: 'normal' | 'truncated-normal'; readonly mean: number; readonly deviation: number }
  /** The last dimension has the columns of a matrix whose rows or columns are orthonormal, times the gain. */
  | { readonly kind: 'orthogonal'; readonly gain: number }
  /** A square matrix: the gain on its diagonal, 0 elsewhere. */
  | { readonly kind: 'identity'; readonly gain: number }
  /** Of an LSTM, four times its units: 1 for the forget gate, which is the second, and `value` elsewhere. */
  | { readonly kind: 'forget-bias'; readonly value: number; readonly units: number }

/** One tensor inside the flat float32 vector that holds a model's weights. */
export interface ParameterTensor {
  /** The LayersModel's weight name, such as `block1_conv1/kernel`. Unique. */
  readonly name: string
  readonly shape: readonly number[]
  /** Position of the first element in the flat vector. */
  readonly offset: number
  readonly size: number
  /** False for batch-norm moving statistics. */
  readonly trainable: boolean
  /** L2 factor: the loss has `l2 · sum(w²)`, the gradient `2 · l2 · w`. Zero when not regularised. */
  readonly l2: number
  readonly initializer: Initializer
}

/**
 * The one description of the flat vectors that coordinator and workers exchange.
 *
 *     weights  = [ trainable … | batch-norm moving statistics … ]                    weightCount floats
 *     gradient = [ gradient of each trainable | batch statistics | loss | quality ]  weightCount + 2 floats
 *
 * Quality is the number of correct predictions, or, without classes, the absolute error
 *
 * Statistics have the same positions in both.
 */
export interface ParameterLayout {
  /** In vector order: all trainable tensors first. */
  readonly tensors: readonly ParameterTensor[]
  readonly trainableCount: number
  readonly weightCount: number
  /** Batch-norm moving-average momentum: `moving = momentum · moving + (1 - momentum) · batch`. */
  readonly statisticsMomentum: number
}

/** Floats in a gradient vector: see {@link ParameterLayout}. */
export function gradientLength(layout: ParameterLayout): number {
  return layout.weightCount + 2
}

/**
 * Floats in the result of an evaluation: `[ confusion[true][predicted] … | loss sum ]`, or, without classes,
 * `[ sums of each output … | loss sum ]`.
 */
export function evaluationLength({
  classCount,
  objective,
}: Pick<ModelDescription, 'classCount' | 'objective'>): number {
  return (objective ? numberSumsLength(objective) : classCount * classCount) + 1
}

/** What a worker needs to build the network: the LayersModel topology (Keras JSON) and where its weights lie. */
export interface ModelDescription {
  readonly topology: object
  readonly layout: ParameterLayout
  /** Of one sample: `[height, width, channel]` of an image, otherwise the shape of the first input. */
  readonly inputShape: readonly number[]
  /** 0: the outputs are numbers. */
  readonly classCount: number
  /** In the order of the model. Absent: the input is an image. */
  readonly inputs?: readonly Column[]
  /** Weights that are not trained. Absent: there are none. */
  readonly frozen?: FrozenWeights
  /** What is learnt where there are no classes. */
  readonly objective?: NumbersObjective
}

/** @throws ConvoyError('usage') for a model whose input is no image */
export function imageShapeOf({ inputs, inputShape }: ModelDescription): {
  readonly height: number
  readonly width: number
  readonly channels: number
} {
  if (inputs !== undefined)
    throw new ConvoyError(
      'usage',
      'This model takes no images; load it in a program of your own, as docs/guides/use-your-model.md says.',
    )
  const [height, width, channels] = inputShape as [number, number, number]
  return { height, width, channels }
}
