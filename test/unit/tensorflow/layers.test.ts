import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LayersModel, SymbolicTensor, Tensor } from '@tensorflow/tfjs'
import { describeModel } from '../../../src/model/describe-model.js'
import { initialWeights } from '../../../src/model/initial-weights.js'
import { TRAINED_LAYERS } from '../../../src/model/layer-support.js'
import { tf as plain } from '../../../src/model/networks/tfjs.js'
import type { ModelDescription } from '../../../src/model/parameter-layout.js'
import type { ConvoyError } from '../../../src/shared/errors.js'
import { createEngine } from '../../../src/tensorflow/engine/create-engine.js'
import { loadTensorflow } from '../../../src/tensorflow/runtime/load-tensorflow.js'

const { tf: native } = loadTensorflow('cpu')
plain.enableProdMode()

const SIDE = 6
const CLASSES = 3
const COUNT = 4
const { layers } = plain

type Layer = { apply(inputs: SymbolicTensor | SymbolicTensor[]): unknown }
type Build = (x: SymbolicTensor) => SymbolicTensor
const rows: Build = (x) => layers.reshape({ targetShape: [SIDE, SIDE * 3] }).apply(x) as SymbolicTensor
const volume: Build = (x) => layers.reshape({ targetShape: [SIDE, SIDE, 3, 1] }).apply(x) as SymbolicTensor
const of =
  (layer: Layer, before: Build = (x) => x): Build =>
  (x) =>
    layer.apply(before(x)) as SymbolicTensor
/** A layer of two inputs: the image, and a convolution of it. */
const merged =
  (layer: Layer): Build =>
  (x) =>
    layer.apply([
      x,
      layers.conv2d({ filters: 3, kernelSize: 3, padding: 'same' }).apply(x) as SymbolicTensor,
    ]) as SymbolicTensor
/** Of each pixel, 0 to 9. */
const ids: Build = (x) =>
  layers.rescaling({ scale: 10 }).apply(layers.flatten().apply(x) as SymbolicTensor) as SymbolicTensor
const kernel = { kernelInitializer: 'heNormal', biasInitializer: 'randomNormal' } as const

/** A use of each layer. */
const USES: Readonly<Record<string, Build>> = {
  InputLayer: (x) => x,
  Dense: of(layers.dense({ units: 5, activation: 'relu', ...kernel })),
  Activation: of(layers.activation({ activation: 'relu' })),
  Dropout: of(layers.dropout({ rate: 0.4 })),
  Flatten: of(layers.flatten()),
  Reshape: rows,
  Permute: of(layers.permute({ dims: [2, 1, 3] })),
  RepeatVector: of(layers.repeatVector({ n: 2 }), of(layers.flatten())),
  Masking: of(layers.masking({ maskValue: 0.5 }), rows),
  Embedding: of(layers.embedding({ inputDim: 10, outputDim: 4, embeddingsInitializer: 'heNormal' }), ids),
  ReLU: of(layers.reLU()),
  LeakyReLU: of(layers.leakyReLU({ alpha: 0.1 }), of(layers.dense({ units: 5, ...kernel }))),
  PReLU: of(layers.prelu({ alphaInitializer: 'randomUniform' }), of(layers.dense({ units: 5, ...kernel }))),
  ELU: of(layers.elu(), of(layers.dense({ units: 5, ...kernel }))),
  ThresholdedReLU: of(layers.thresholdedReLU({ theta: 0.3 })),
  Softmax: of(layers.softmax(), of(layers.flatten())),
  Conv1D: of(layers.conv1d({ filters: 4, kernelSize: 3, ...kernel }), rows),
  Conv2D: of(layers.conv2d({ filters: 4, kernelSize: 3, activation: 'elu', ...kernel })),
  Conv3D: of(layers.conv3d({ filters: 2, kernelSize: 3, ...kernel }), volume),
  Conv2DTranspose: of(layers.conv2dTranspose({ filters: 2, kernelSize: 3, strides: 2, ...kernel })),
  SeparableConv2D: of(layers.separableConv2d({ filters: 4, kernelSize: 3, depthwiseInitializer: 'glorotNormal' })),
  DepthwiseConv2D: of(layers.depthwiseConv2d({ kernelSize: 3, depthwiseInitializer: 'leCunNormal' })),
  Cropping2D: of(
    layers.cropping2D({
      cropping: [
        [1, 1],
        [0, 2],
      ],
    }),
  ),
  ZeroPadding2D: of(layers.zeroPadding2d({ padding: 1 })),
  UpSampling2D: of(layers.upSampling2d({ size: [2, 2] })),
  Rescaling: of(layers.rescaling({ scale: 2, offset: -1 })),
  MaxPooling1D: of(layers.maxPooling1d({ poolSize: 2 }), rows),
  MaxPooling2D: of(layers.maxPooling2d({ poolSize: 2 }), of(layers.dense({ units: 5, ...kernel }))),
  MaxPooling3D: of(layers.maxPooling3d({ poolSize: [2, 2, 1], dataFormat: 'channelsLast' } as never), volume),
  AveragePooling1D: of(layers.averagePooling1d({ poolSize: 2 }), rows),
  AveragePooling2D: of(layers.averagePooling2d({ poolSize: 2 })),
  AveragePooling3D: of(layers.averagePooling3d({ poolSize: [2, 2, 1], dataFormat: 'channelsLast' } as never), volume),
  GlobalMaxPooling1D: of(layers.globalMaxPooling1d({}), rows),
  GlobalMaxPooling2D: of(layers.globalMaxPooling2d({})),
  GlobalAveragePooling1D: of(layers.globalAveragePooling1d({}), rows),
  GlobalAveragePooling2D: of(layers.globalAveragePooling2d({})),
  Add: merged(layers.add()),
  Average: merged(layers.average()),
  Concatenate: merged(layers.concatenate()),
  Dot: (x) => layers.dot({ axes: -1 }).apply([rows(x), rows(x)]) as SymbolicTensor,
  Maximum: merged(layers.maximum()),
  Minimum: merged(layers.minimum()),
  Multiply: merged(layers.multiply()),
  BatchNormalization: of(layers.batchNormalization(), of(layers.dense({ units: 5, ...kernel }), rows)),
  LayerNormalization: of(layers.layerNormalization(), of(layers.dense({ units: 5, ...kernel }))),
  SpatialDropout1D: of(layers.spatialDropout1d({ rate: 0.4 }), rows),
  GaussianNoise: of(layers.gaussianNoise({ stddev: 0.5 })),
  GaussianDropout: of(layers.gaussianDropout({ rate: 0.4 })),
  AlphaDropout: of(layers.alphaDropout({ rate: 0.4 })),
  SimpleRNN: of(layers.simpleRNN({ units: 4 }), rows),
  GRU: of(layers.gru({ units: 4, recurrentActivation: 'sigmoid' }), rows),
  LSTM: of(layers.lstm({ units: 4, recurrentActivation: 'sigmoid', returnSequences: true }), rows),
}
const RANDOM = ['Dropout', 'SpatialDropout1D', 'GaussianNoise', 'GaussianDropout', 'AlphaDropout']

const pixels = Uint8Array.from({ length: COUNT * SIDE * SIDE * 3 }, (_, index) => (index * 37) % 251)
const labels = Int32Array.of(0, 1, 2, 1)

function modelOf(build: Build): { model: LayersModel; description: ModelDescription } {
  const input = plain.input({ shape: [SIDE, SIDE, 3] })
  const built = build(input)
  const flat = built.shape.length > 2 ? (layers.flatten().apply(built) as SymbolicTensor) : built
  const output = layers.dense({ units: CLASSES, activation: 'softmax' }).apply(flat) as SymbolicTensor
  const model = plain.model({ inputs: input, outputs: output })
  return { model, description: describeModel(model) }
}

async function gradient(model: ModelDescription, weights: Float32Array, key: readonly [number, number]) {
  const sizes = { shardSize: COUNT, evaluationShardSize: COUNT, labelSmoothing: 0, precision: 'float32' } as const
  const engine = await createEngine({ model, ...sizes, augment: false, fillMode: 'constant' })
  engine.setWeights(weights)
  const shard = { inputs: [pixels], targets: [labels], transforms: new Float32Array(COUNT * 8), dropoutKey: key }
  try {
    // The second run is that of the captured graph.
    engine.gradient(shard)
    return engine.gradient(shard)
  } finally {
    engine.close()
  }
}

/** The gradient that TensorFlow.js computes of the stock model, in the order of the layout. */
async function stockGradient({ topology, layout }: ModelDescription, weights: Float32Array): Promise<number[]> {
  const model = await native.models.modelFromJSON(topology as Parameters<typeof native.models.modelFromJSON>[0])
  const variables = model.layers.flatMap((layer) => layer.weights)
  const variableOf = (name: string) => variables.find(({ originalName }) => originalName === name)!
  for (const { name, shape, offset, size } of layout.tensors)
    variableOf(name).write(native.tensor(weights.slice(offset, offset + size), [...shape]))
  const images = native.tensor(
    Float32Array.from(pixels, (pixel) => pixel / 255),
    [COUNT, SIDE, SIDE, 3],
  )
  const trainable = layout.tensors.filter((tensor) => tensor.trainable)
  const { grads } = native.variableGrads(() => {
    const probabilities = model.apply(images, { training: true }) as Tensor
    return native.neg(
      native.sum(native.mul(native.oneHot(native.tensor1d(labels, 'int32'), CLASSES), native.log(probabilities))),
    ) as never
  })
  return trainable.flatMap(({ name }) => {
    const { name: variable } = variableOf(name).read() as unknown as { name: string }
    return Array.from(grads[variable]!.dataSync())
  })
}

describe('a stock layer', () => {
  it('has a use here, if it is supported', () => {
    assert.deepEqual([...Object.keys(USES), 'Bidirectional', 'TimeDistributed'].sort(), TRAINED_LAYERS.toSorted())
  })

  for (const [name, build] of Object.entries(USES)) {
    it(`${name} trains as in TensorFlow.js, with the same bits each time`, async () => {
      const { description } = modelOf(build)
      const weights = initialWeights(description.layout, 1)
      const ours = await gradient(description, weights, [1, 2])
      assert.deepEqual(await gradient(description, weights, [1, 2]), ours)
      if (RANDOM.includes(name)) {
        assert.notDeepEqual(await gradient(description, weights, [1, 3]), ours)
        return
      }
      const stock = await stockGradient(description, weights)
      assert.equal(stock.length, description.layout.trainableCount)
      const scale = Math.max(...stock.map(Math.abs))
      assert.ok(scale > 0)
      stock.forEach((value, index) => {
        assert.ok(Math.abs(value - ours[index]!) <= 1e-4 * scale, `${index}: ${ours[index]} instead of ${value}`)
      })
    })
  }

  it('with ReLU of its own trains as in TensorFlow.js', async () => {
    const relu = { ...kernel, activation: 'relu' } as const
    const { description } = modelOf((x) =>
      of(
        layers.dense({ units: 5, ...relu }),
        of(layers.conv1d({ filters: 4, kernelSize: 2, ...relu }), (y) =>
          rows(of(layers.conv2d({ filters: 3, kernelSize: 3, padding: 'same', ...relu }))(y)),
        ),
      )(x),
    )
    const weights = initialWeights(description.layout, 1)
    const ours = await gradient(description, weights, [1, 2])
    const stock = await stockGradient(description, weights)
    const scale = Math.max(...stock.map(Math.abs))
    assert.ok(stock.filter((value) => value !== 0).length > stock.length / 3, 'most gradients are zero')
    stock.forEach((value, index) => {
      assert.ok(Math.abs(value - ours[index]!) <= 1e-4 * scale, `${index}: ${ours[index]} instead of ${value}`)
    })
  })

  for (const [use, options] of Object.entries({
    'backwards, to its last output, without bias': { goBackwards: true, useBias: false },
    'with the gates of TensorFlow.js': { recurrentActivation: 'hardSigmoid', returnSequences: true },
    'in both directions': {},
  } as const))
    it(`LSTM ${use} trains as in TensorFlow.js`, async () => {
      const lstm = layers.lstm({ units: 3, recurrentActivation: 'sigmoid', ...options })
      const isTwice = use === 'in both directions'
      const { description } = modelOf(
        of(isTwice ? layers.bidirectional({ layer: lstm as never, mergeMode: 'concat' }) : lstm, rows),
      )
      const weights = initialWeights(description.layout, 1)
      const ours = await gradient(description, weights, [1, 2])
      const stock = await stockGradient(description, weights)
      const scale = Math.max(...stock.map(Math.abs))
      stock.forEach((value, index) => {
        assert.ok(Math.abs(value - ours[index]!) <= 1e-4 * scale, `${index}: ${ours[index]} instead of ${value}`)
      })
    })

  it('inside a model, twice in both directions, or for each time, is found and trained', async () => {
    const inner = plain.sequential({
      layers: [layers.dense({ units: 4, inputShape: [SIDE, SIDE, 3], ...kernel }), layers.batchNormalization()],
    })
    const nested = modelOf((x) => {
      const both = layers.bidirectional({
        layer: layers.gru({ units: 2, recurrentActivation: 'sigmoid', returnSequences: true }) as never,
        mergeMode: 'concat',
      })
      const each = layers.timeDistributed({ layer: layers.dense({ units: 3 }) })
      const sequence = layers.reshape({ targetShape: [SIDE, SIDE * 4] }).apply(inner.apply(x) as SymbolicTensor)
      return each.apply(both.apply(sequence)) as SymbolicTensor
    })
    const weights = initialWeights(nested.description.layout, 1)
    const ours = await gradient(nested.description, weights, [1, 2])
    const stock = await stockGradient(nested.description, weights)
    stock.forEach((value, index) => {
      assert.ok(Math.abs(value - ours[index]!) <= 1e-3, `${index}: ${ours[index]} instead of ${value}`)
    })
  })

  it('that is not supported, or not in this use, is rejected by its name', () => {
    const rejected = (build: Build, problem: RegExp): void => {
      assert.throws(
        () => modelOf(build),
        (error: ConvoyError) => error.code === 'usage' && problem.test(error.message),
      )
    }
    rejected(
      of(layers.rnn({ cell: layers.simpleRNNCell({ units: 2 }) as never }), rows),
      /rnn.* \(RNN\) cannot be trained/,
    )
    rejected(of(layers.lstm({ units: 2, dropout: 0.5 }), rows), /dropout inside it is not supported/)
    rejected(of(layers.conv3dTranspose({ filters: 1, kernelSize: 1 }), volume), /\(Conv3DTranspose\).* has no gradient/)
    rejected(of(layers.dense({ units: 2, kernelConstraint: 'nonNeg' })), /kernelConstraint is not supported/)
    rejected(of(layers.dropout({ rate: 0.5, noiseShape: [1, 1, 1] })), /noiseShape is not supported/)
  })
})
