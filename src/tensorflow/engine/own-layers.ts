import type { Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs'
import type { TensorFlow } from '../runtime/load-tensorflow.js'
import { fusedLstm } from './fused-lstm.js'
import type { FusedOps } from './fused-ops.js'

/** What a layer is called with besides its inputs. */
interface LayerArguments {
  readonly training?: boolean
  readonly mask?: unknown
  readonly initialState?: unknown
}

/** Private members of a layer that Convoy replaces (tfjs-layers 4.22.0, pinned). */
export interface OpenLayer {
  readonly name: string
  activation?: unknown
  call(inputs: Tensor | Tensor[], kwargs: LayerArguments): Tensor | Tensor[]
  getClassName(): string
  getConfig(): Record<string, unknown>
  readonly weights: { readonly originalName: string; val: Tensor }[]
}

/** What layers need of the pass that they are in. */
export interface LayerPass {
  /** Keeps a batch statistic under the name of the moving one that it updates. */
  readonly takeStatistics: (name: string, values: Tensor1D) => void
  /** int32, `[2]`: the key of the next layer that draws. */
  readonly nextKey: () => Tensor1D
}

/** The scaled exponential unit's constants: Klambauer et al. 2017, as TensorFlow.js has them. */
const SELU = { alpha: 1.6732632423543772, scale: 1.0507009873554805 }

/** Layers that apply an activation of their own to what they compute. */
const WITH_ACTIVATION: ReadonlySet<string> = new Set([
  ...['Dense', 'Conv1D', 'Conv2D', 'Conv3D', 'Conv2DTranspose', 'SeparableConv2D', 'DepthwiseConv2D'],
])

/**
 * Gives a layer Convoy's computation in place of its own, with the same meaning: ghost batch statistics, masks and noise that are a function
 * of the shard's key, ReLU on TensorFlow's fused gradient. Other layers keep theirs.
 * @param frozen names of weights that are not trained
 */
export function replaceCall(
  layer: OpenLayer,
  tf: TensorFlow,
  ops: FusedOps,
  pass: LayerPass,
  frozen: ReadonlySet<string>,
): void {
  const config = layer.getConfig()
  const rate = Number(config['rate'])
  const whileTraining = (change: (x: Tensor, key: Tensor1D) => Tensor): void => {
    layer.call = (inputs, { training }) => (training ? change(only(inputs), pass.nextKey()) : only(inputs))
  }
  if (WITH_ACTIVATION.has(layer.getClassName()) && config['activation'] === 'relu')
    layer.activation = { apply: (x: Tensor) => ops.relu(x), getClassName: () => 'convoyRelu', getConfig: () => ({}) }
  switch (layer.getClassName()) {
    case 'BatchNormalization':
      return replaceBatchNorm(layer, tf, ops, pass, frozen.has(`${layer.name}/moving_mean`))
    case 'Embedding':
      layer.call = (inputs) => ops.gatherRows(layer.weights[0]!.val as Tensor2D, only(inputs).cast('int32'))
      return
    case 'LSTM':
      return replaceLstm(layer, tf)
    case 'Activation':
      if (config['activation'] === 'relu') layer.call = (inputs) => ops.relu(only(inputs))
      return
    case 'ReLU':
      if ((config['maxValue'] ?? null) === null) layer.call = (inputs) => ops.relu(only(inputs))
      return
    case 'Dropout':
      return whileTraining((x, key) => ops.dropout(x, rate, key))
    case 'SpatialDropout1D':
      return whileTraining((x, key) => ops.dropout(x, rate, key, [x.shape[0]!, 1, x.shape[2]!]))
    case 'GaussianNoise':
      return whileTraining((x, key) => tf.add(x, tf.mul(ops.normal(x.shape, key), Number(config['stddev']))))
    case 'GaussianDropout':
      return whileTraining((x, key) =>
        tf.mul(x, tf.add(1, tf.mul(ops.normal(x.shape, key), Math.sqrt(rate / (1 - rate))))),
      )
    case 'AlphaDropout':
      return whileTraining((x, key) => {
        const dropped = -SELU.alpha * SELU.scale
        const scale = 1 / Math.sqrt((1 - rate) * (1 + rate * dropped ** 2))
        const kept = tf.greaterEqual(ops.uniform(x.shape, key), rate).cast('float32')
        const mixed = tf.add(tf.mul(x, kept), tf.mul(tf.sub(1, kept), dropped))
        return tf.add(tf.mul(mixed, scale), -scale * dropped * rate)
      })
  }
}

/**
 * Any rank: the last dimension has the channels. Without scale or centre, gamma is 1 or beta 0. A frozen layer uses its moving statistics in
 * training too, as in Keras.
 */
function replaceBatchNorm(layer: OpenLayer, tf: TensorFlow, ops: FusedOps, pass: LayerPass, isFrozen: boolean): void {
  const epsilon = layer.getConfig()['epsilon'] as number
  const weight = (role: string): Tensor1D | undefined =>
    layer.weights.find(({ originalName }) => originalName.endsWith(`/${role}`))?.val as Tensor1D | undefined
  layer.call = (inputs, { training }) => {
    const given = only(inputs)
    const channels = given.shape.at(-1)!
    const x = (given.rank === 4 ? given : given.reshape([-1, 1, 1, channels])) as Tensor4D
    const scale = weight('gamma') ?? tf.ones([channels])
    const offset = weight('beta') ?? tf.zeros([channels])
    if (!training || isFrozen) {
      const value = ops.batchNormInference(
        x,
        scale,
        offset,
        weight('moving_mean')!,
        weight('moving_variance')!,
        epsilon,
      )
      return given.rank === 4 ? value : value.reshape(given.shape)
    }
    const { normalised, mean, variance } = ops.batchNorm(x, scale, offset, epsilon)
    pass.takeStatistics(`${layer.name}/moving_mean`, mean)
    pass.takeStatistics(`${layer.name}/moving_variance`, variance)
    return given.rank === 4 ? normalised : normalised.reshape(given.shape)
  }
}

/** With the gates of Keras's default, which the fused op has. Masks, given states and returned ones stay with TensorFlow.js's own loop. */
function replaceLstm(layer: OpenLayer, tf: TensorFlow): void {
  const { activation, recurrentActivation, goBackwards, returnSequences, returnState, units } = layer.getConfig()
  if (activation !== 'tanh' || recurrentActivation !== 'sigmoid' || returnState === true) return
  const loop = layer.call.bind(layer)
  layer.call = (inputs, kwargs) => {
    if (kwargs.mask || kwargs.initialState) return loop(inputs, kwargs)
    const [kernel, recurrent, bias] = layer.weights.map(({ val }) => val) as [Tensor2D, Tensor2D, Tensor1D?]
    const timed = tf.transpose(only(inputs) as Tensor3D, [1, 0, 2])
    const x = goBackwards === true ? tf.reverse(timed, 0) : timed
    const outputs = fusedLstm(tf, x, tf.concat([kernel, recurrent], 0), bias ?? tf.zeros([4 * Number(units)]))
    const [steps, batch, size] = outputs.shape
    return returnSequences === true
      ? tf.transpose(outputs, [1, 0, 2])
      : outputs.slice([steps - 1], [1]).reshape([batch, size])
  }
}

/** The loss contains this activation: the layer that makes the output gives logits. */
export function withoutActivation(tf: TensorFlow, layer: OpenLayer, activation: 'softmax' | 'sigmoid'): void {
  const isOfIt = layer.getConfig()['activation'] === activation
  if (layer.getClassName() === 'Softmax' || (layer.getClassName() === 'Activation' && isOfIt))
    layer.call = (inputs) => only(inputs)
  else if (isOfIt)
    layer.activation = (tf.layers.activation({ activation: 'linear' }) as unknown as OpenLayer).activation
}

function only(inputs: Tensor | Tensor[]): Tensor {
  return Array.isArray(inputs) ? inputs[0]! : inputs
}
