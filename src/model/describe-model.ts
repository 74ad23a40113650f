import type * as tf from '@tensorflow/tfjs'
import { ConvoyError } from '../shared/errors.js'
import type { Initializer, ModelDescription, ParameterTensor } from './parameter-layout.js'

/** Describes the flat vectors of a model and how a worker builds it. The model itself is not needed afterwards. */
export function describeModel(model: tf.LayersModel): ModelDescription {
  const tensors: Omit<ParameterTensor, 'offset'>[] = []
  const momenta = new Set<number>()
  for (const layer of model.layers) {
    const config = layer.getConfig()
    if (layer.getClassName() === 'BatchNormalization') momenta.add(config['momentum'] as number)
    const trainable = new Set(layer.trainableWeights)
    for (const weight of layer.weights) {
      const shape = weight.shape.map(Number)
      const role = weight.originalName.split('/').at(-1)!
      tensors.push({
        name: weight.originalName,
        shape,
        size: shape.reduce((product, size) => product * size, 1),
        trainable: trainable.has(weight),
        l2: l2Of(config, layer.name, role),
        initializer: initializerOf(config, layer.name, role, shape),
      })
    }
  }
  if (momenta.size > 1) {
    throw new ConvoyError(
      'usage',
      `Batch norm layers with different momenta (${[...momenta].join(', ')}) are not supported; use one for all.`,
    )
  }

  let offset = 0
  const place = (tensor: Omit<ParameterTensor, 'offset'>): ParameterTensor => {
    const placed = { ...tensor, offset }
    offset += tensor.size
    return placed
  }
  const trainable = tensors.filter((tensor) => tensor.trainable).map(place)
  const trainableCount = offset
  const statistics = tensors.filter((tensor) => !tensor.trainable).map(place)
  const [, height, width, channel] = model.inputs[0]!.shape as [null, number, number, number]
  return {
    topology: JSON.parse(model.toJSON() as string) as object,
    layout: {
      tensors: [...trainable, ...statistics],
      trainableCount,
      weightCount: offset,
      statisticsMomentum: [...momenta][0] ?? 0,
    },
    inputShape: [height, width, channel],
    classCount: model.outputs[0]!.shape.at(-1)!,
  }
}

interface Serialised {
  readonly className: string
  readonly config: Record<string, unknown>
}

type LayerConfig = ReturnType<tf.layers.Layer['getConfig']>

/** `kernel` is described by `kernelInitializer`, `moving_mean` by `movingMeanInitializer`. */
function settingOf(config: LayerConfig, role: string, setting: string): Serialised | null {
  const camel = role.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
  return (config[`${camel}${setting}`] ?? null) as Serialised | null
}

function l2Of(config: LayerConfig, layer: string, role: string): number {
  const regularizer = settingOf(config, role, 'Regularizer')
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

function initializerOf(config: LayerConfig, layer: string, role: string, shape: number[]): Initializer {
  const initializer = settingOf(config, role, 'Initializer')
  const settings = initializer?.config ?? {}
  switch (initializer?.className) {
    case 'Zeros':
      return { kind: 'constant', value: 0 }
    case 'Ones':
      return { kind: 'constant', value: 1 }
    case 'Constant':
      return { kind: 'constant', value: Number(settings['value']) }
    case 'VarianceScaling':
      if (settings['distribution'] === 'uniform') {
        return { kind: 'uniform', limit: uniformLimit(Number(settings['scale']), String(settings['mode']), shape) }
      }
  }
  throw new ConvoyError(
    'usage',
    `Layer ${layer}: the initializer ${initializer?.className ?? 'none'} of its ${role} is not supported; ` +
      'use zeros, ones, constant, heUniform, glorotUniform or leCunUniform.',
  )
}

/** sqrt(3 · scale / n), where n is the fan named by the mode: He et al. 2015, Glorot and Bengio 2010. */
function uniformLimit(scale: number, mode: string, shape: number[]): number {
  const receptiveField = shape.slice(0, -2).reduce((product, size) => product * size, 1)
  const fanIn = shape.at(-2)! * receptiveField
  const fanOut = shape.at(-1)! * receptiveField
  const n = mode === 'fanIn' ? fanIn : mode === 'fanOut' ? fanOut : (fanIn + fanOut) / 2
  return Math.sqrt((3 * scale) / Math.max(1, n))
}
