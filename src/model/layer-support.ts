import type { LayersModel } from '@tensorflow/tfjs'

type Layer = LayersModel['layers'][number]

/** A layer that computes by itself: no model inside a model, no wrapper. */
export interface LeafLayer {
  readonly layer: Layer
  readonly className: string
  /** Of the layer, or of the one that is wrapped around it. */
  readonly config: Readonly<Record<string, unknown>>
}

/** Stock layers that train with the same bits for any number of workers. */
export const TRAINED_LAYERS: readonly string[] = [
  ...[
    'InputLayer',
    'Dense',
    'Activation',
    'Dropout',
    'Flatten',
    'Reshape',
    'Permute',
    'RepeatVector',
    'Masking',
    'Embedding',
  ],
  ...['ReLU', 'LeakyReLU', 'PReLU', 'ELU', 'ThresholdedReLU', 'Softmax'],
  ...['Conv1D', 'Conv2D', 'Conv3D', 'Conv2DTranspose', 'SeparableConv2D', 'DepthwiseConv2D'],
  ...['Cropping2D', 'ZeroPadding2D', 'UpSampling2D', 'Rescaling'],
  ...['MaxPooling1D', 'MaxPooling2D', 'MaxPooling3D', 'AveragePooling1D', 'AveragePooling2D', 'AveragePooling3D'],
  ...['GlobalMaxPooling1D', 'GlobalMaxPooling2D', 'GlobalAveragePooling1D', 'GlobalAveragePooling2D'],
  ...['Add', 'Average', 'Concatenate', 'Dot', 'Maximum', 'Minimum', 'Multiply'],
  ...['BatchNormalization', 'LayerNormalization'],
  ...['SpatialDropout1D', 'GaussianNoise', 'GaussianDropout', 'AlphaDropout'],
  ...['SimpleRNN', 'GRU', 'LSTM', 'Bidirectional', 'TimeDistributed'],
]

/** Why other stock layers are not trained. */
export const REJECTED_LAYERS: Readonly<Record<string, string>> = {
  Conv3DTranspose: 'TensorFlow.js has no gradient for it',
  RNN: 'use SimpleRNN, GRU or LSTM',
  StackedRNNCells: 'use SimpleRNN, GRU or LSTM',
  ConvLSTM2D: 'it is not supported yet',
  EinsumDense: 'it is not supported yet',
  MultiHeadAttention: 'it is not supported yet',
  CategoryEncoding: 'it is not supported yet',
  CenterCrop: 'it is not supported yet',
  Resizing: 'it is not supported yet',
  RandomHeight: 'its draws are not keyed by the seed',
  RandomWidth: 'its draws are not keyed by the seed',
}

/** Whether a layer holds others, which are layers of the same model. */
interface Container extends Layer {
  readonly layers?: readonly Layer[]
  readonly outputs?: LayersModel['outputs']
  /** Of TimeDistributed. */
  readonly layer?: Layer
  /** Of Bidirectional. */
  readonly forwardLayer?: Layer
  readonly backwardLayer?: Layer
}

/** The layers of a model in order, with those of models and wrappers inside it. */
export function leafLayers(layers: readonly Layer[]): LeafLayer[] {
  return layers.flatMap((layer) => {
    const { layers: inner, layer: wrapped, forwardLayer, backwardLayer } = layer as Container
    if (inner !== undefined) return leafLayers(inner)
    const held = [wrapped, forwardLayer, backwardLayer].filter((one) => one !== undefined)
    if (held.length > 0) return leafLayers(held)
    return [{ layer, className: layer.getClassName(), config: layer.getConfig() }]
  })
}

/** The layer that computes an output of a model, inside the models that it consists of. */
export function outputLayer({ sourceLayer, outputTensorIndex }: LayersModel['outputs'][number]): Layer {
  const layer = sourceLayer as Container
  return layer.outputs === undefined ? layer : outputLayer(layer.outputs[outputTensorIndex ?? 0]!)
}

/** Why this layer cannot be trained with the same bits for any number of workers; undefined: it can. */
export function unsupported({ className, config }: LeafLayer): string | undefined {
  if (!TRAINED_LAYERS.includes(className))
    return (
      REJECTED_LAYERS[className] ??
      'it is no layer of TensorFlow.js; a custom layer comes from a module (`convoy train --custom`)'
    )
  const settings = Object.entries(config)
  const constraint = settings.find(([name, value]) => name.endsWith('Constraint') && isGiven(value))
  if (constraint !== undefined) return `its ${constraint[0]} is not supported`
  if (isGiven(config['activityRegularizer'])) return 'its activityRegularizer is not supported'
  if (isGiven(config['noiseShape'])) return 'its noiseShape is not supported'
  if (['SimpleRNN', 'GRU', 'LSTM'].includes(className)) {
    if (Number(config['dropout']) > 0 || Number(config['recurrentDropout']) > 0)
      return 'dropout inside it is not supported; put a dropout layer before it'
    if (config['stateful'] === true) return 'stateful is not supported: the order of samples would decide'
  }
  return undefined
}

function isGiven(setting: unknown): boolean {
  return setting !== null && setting !== undefined
}
