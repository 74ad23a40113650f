import type * as tf from '@tensorflow/tfjs'
import { ConvoyError } from '../shared/errors.js'
import type { Serialised } from './initializers.js'
import { frozenWeightsOf } from './frozen-weights.js'
import { initializerOf } from './initializers.js'
import type { AddedWeight } from './own/custom-initializers.js'
import { addedWeight } from './own/custom-initializers.js'
import type { LeafLayer } from './layer-support.js'
import { leafLayers, TRAINED_LAYERS, unsupported } from './layer-support.js'
import { stepMeasures } from './objectives/objective.js'
import type { Initializer, ModelDescription, ParameterTensor } from './parameter-layout.js'

/** What a model takes where that is no image, and learns where that is not the class of a sample. */
export type ModelTask = Pick<ModelDescription, 'inputs' | 'objectives' | 'classWeights' | 'hasSampleWeights'>

type UnplacedTensor = Omit<ParameterTensor, 'offset'>

/**
 * Describes the flat vectors of a model and how a worker builds it. The model itself is not needed afterwards.
 * @param task what it takes and learns; @param customLayers class names of layers that are not stock
 * @throws ConvoyError('usage') naming a layer that cannot be trained
 */
export function describeModel(
  model: tf.LayersModel,
  task: ModelTask = {},
  customLayers: readonly string[] = [],
): ModelDescription {
  const leaves = leafLayers(model.layers)
  for (const leaf of leaves) {
    const reason = customLayers.includes(leaf.className) ? undefined : unsupported(leaf)
    if (reason !== undefined)
      throw new ConvoyError('usage', `Layer ${leaf.layer.name} (${leaf.className}) cannot be trained: ${reason}.`)
  }
  const tensors = leaves.flatMap(tensorsOf)
  checkNames(tensors)
  let offset = 0
  const place = (tensor: UnplacedTensor): ParameterTensor => {
    const placed = { ...tensor, offset }
    offset += tensor.size
    return placed
  }
  const trainable = tensors.filter((tensor) => tensor.trainable).map(place)
  if (trainable.length === 0)
    throw new ConvoyError('usage', 'The model has no weights to train; leave some layers trainable.')
  const trainableCount = offset
  const statistics = tensors.filter((tensor) => !tensor.trainable).map(place)
  return {
    topology: JSON.parse(model.toJSON() as string) as object,
    layout: {
      tensors: [...trainable, ...statistics],
      trainableCount,
      weightCount: offset,
      statisticsMomentum: momentumOf(leaves),
      ...(task.objectives && { measures: stepMeasures(task.objectives) }),
    },
    inputShape: model.inputs[0]!.shape.slice(1) as number[],
    classCount: task.objectives ? 0 : model.outputs[0]!.shape.at(-1)!,
    ...task,
  }
}

/** The momentum of all batch norm layers; 0 without any. */
function momentumOf(leaves: readonly LeafLayer[]): number {
  const layers = leaves.filter(({ className }) => className === 'BatchNormalization')
  const momenta = new Set(layers.map(({ config }) => config['momentum'] as number))
  if (momenta.size > 1)
    throw new ConvoyError(
      'usage',
      `Batch norm layers with different momenta (${[...momenta].join(', ')}) are not supported; use one for all.`,
    )
  return [...momenta][0] ?? 0
}

/** Without those that are frozen. */
function tensorsOf(leaf: LeafLayer): UnplacedTensor[] {
  const { layer, className, config } = leaf
  const trainable = new Set(layer.trainableWeights)
  const frozen = new Set(frozenWeightsOf(leaf))
  const weights = layer.weights.filter((weight) => !frozen.has(weight))
  return weights.map((weight) => {
    const shape = weight.shape.map(Number)
    const role = weight.originalName.split('/').at(-1)!
    return {
      name: weight.originalName,
      shape,
      size: shape.reduce((product, size) => product * size, 1),
      trainable: trainable.has(weight),
      ...(TRAINED_LAYERS.includes(className)
        ? {
            l2: l2Of(settingOf(config, role, 'Regularizer'), layer.name, role),
            initializer: firstValues(className, config, shape, role, `Layer ${layer.name}, ${role}`),
          }
        : customWeight(weight, layer.name, role, shape)),
    }
  })
}

/** Two layers of one name, in models inside the model, would share their weights by accident. */
function checkNames(tensors: readonly UnplacedTensor[]): void {
  const names = tensors.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined)
    throw new ConvoyError('usage', `Two weights have the name ${twice}; give the layers names of their own.`)
}

function firstValues(
  className: string,
  config: LeafLayer['config'],
  shape: readonly number[],
  role: string,
  where: string,
): Initializer {
  const initializer = initializerOf(settingOf(config, role, 'Initializer'), shape, where)
  const hasForgetBias = className === 'LSTM' && role === 'bias' && config['unitForgetBias'] === true
  if (!hasForgetBias) return initializer
  if (initializer.kind === 'constant')
    return { kind: 'forget-bias', value: initializer.value, units: config['units'] as number }
  throw new ConvoyError('usage', `${where}: with unitForgetBias, its initializer must be a constant.`)
}

/**
 * `kernel` is described by `kernelInitializer`, `moving_mean` by `movingMeanInitializer`, and `recurrent_kernel` by
 * `recurrentInitializer`.
 */
function settingOf(config: LeafLayer['config'], role: string, setting: string): Serialised | null {
  const camel = role.replace(/_kernel$/, '').replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
  return (config[`${camel}${setting}`] ?? null) as Serialised | null
}

/** A custom layer says in `addWeight` what others have in their configuration. */
function customWeight(
  weight: tf.LayersModel['weights'][number],
  layer: string,
  role: string,
  shape: readonly number[],
): Pick<ParameterTensor, 'l2' | 'initializer'> {
  const given = addedWeight(weight)
  const where = `Layer ${layer}, ${role}`
  if (given?.constraint !== undefined && given.constraint !== null)
    throw new ConvoyError('usage', `${where}: its constraint is not supported; remove it.`)
  const serialised = (one: AddedWeight['initializer'] | null | undefined): Serialised | null =>
    one ? { className: one.getClassName(), config: one.getConfig() } : null
  return {
    l2: l2Of(serialised(given?.regularizer), layer, role),
    initializer: initializerOf(serialised(given?.initializer), shape, where),
  }
}

function l2Of(regularizer: Serialised | null, layer: string, role: string): number {
  if (regularizer === null) return 0
  const { l1 = 0, l2 = 0 } = regularizer.config as { l1?: number; l2?: number }
  if (regularizer.className !== 'L1L2' || l1 !== 0) {
    throw new ConvoyError(
      'usage',
      `Layer ${layer}: only L2 regularisation is supported; remove the ${regularizer.className} of its ${role}.`,
    )
  }
  return l2
}
