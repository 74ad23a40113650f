import type { Column } from '../data/dataset.js'
import type { FrozenWeights } from './frozen-weights.js'
import type { Objective } from './objectives/objective.js'
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
 *     gradient = [ gradient of each trainable | batch statistics | loss | measures … ]   weightCount + 1 + measures floats
 *
 * All of the gradient but the statistics are sums over samples. Statistics have the same positions in both.
 */
export interface ParameterLayout {
  /** In vector order: all trainable tensors first. */
  readonly tensors: readonly ParameterTensor[]
  readonly trainableCount: number
  readonly weightCount: number
  /** Batch-norm moving-average momentum: `moving = momentum · moving + (1 - momentum) · batch`. */
  readonly statisticsMomentum: number
  /** Names of what a step measures besides the loss: see stepMeasures. Absent: {@link CLASS_MEASURES}. */
  readonly measures?: readonly string[]
}

const CLASS_MEASURES: readonly string[] = ['accuracy']

export function measuresOf({ measures = CLASS_MEASURES }: Pick<ParameterLayout, 'measures'>): readonly string[] {
  return measures
}

/** Floats in a gradient vector: see {@link ParameterLayout}. */
export function gradientLength(layout: ParameterLayout): number {
  return layout.weightCount + 1 + measuresOf(layout).length
}

/** What a worker needs to build the network: the LayersModel topology (Keras JSON) and where its weights lie. */
export interface ModelDescription {
  readonly topology: object
  readonly layout: ParameterLayout
  /** Of one sample: `[height, width, channel]` of an image, otherwise the shape of the first input. */
  readonly inputShape: readonly number[]
  /** Of the only output. 0: it has numbers, or there are several outputs. */
  readonly classCount: number
  /** In the order of the model. Absent: the input is an image. */
  readonly inputs?: readonly Column[]
  /** Weights that are not trained. Absent: there are none. */
  readonly frozen?: FrozenWeights
  /** In the order of the model's outputs. Absent: one output, which learns the classes of the data set. */
  readonly objectives?: readonly Objective[]
  /** What the loss of a sample is multiplied by in training, by its class. Absent: 1. */
  readonly classWeights?: readonly number[]
  /** The data set has a weight for each sample's loss. */
  readonly hasSampleWeights?: true
}

/** Whether the losses of the samples of a batch have weights. */
export function isWeighted({ classWeights, hasSampleWeights }: ModelDescription): boolean {
  return classWeights !== undefined || hasSampleWeights === true
}

/** What the outputs of a model learn, in their order. */
export function objectivesOf({
  classCount,
  objectives,
}: Pick<ModelDescription, 'classCount' | 'objectives'>): readonly Objective[] {
  return objectives ?? [{ name: 'class', kind: 'classes', loss: 'crossEntropy', size: classCount }]
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
      'This model takes no images; give `convoy predict` a table (.csv), or predict in a program, as docs/guides/library.md says.',
    )
  const [height, width, channels] = inputShape as [number, number, number]
  return { height, width, channels }
}
