import type { LayersModel, SymbolicTensor } from '@tensorflow/tfjs'
import type { layers } from '@tensorflow/tfjs'
import type { TensorFlow } from '../../model/networks/tfjs.js'

/** A program that trains a compiled model, as a user writes it. bench/peers/keras_fit.py has the same models. */
export interface FitProgram {
  readonly description: string
  /** Of a training without `--samples`; a multiple of the batch size. */
  readonly samples: number
  readonly batchSize: number
  /** Of one sample. */
  readonly inputShape: readonly number[]
  /** 0: one number is learnt. */
  readonly classes: number
  /** @returns a compiled model */
  build(tf: TensorFlow): LayersModel
}

export const PROGRAM_NAMES = ['cnn', 'dense', 'lstm', 'resnet20', 'abalone', 'iris'] as const
export type ProgramName = (typeof PROGRAM_NAMES)[number]

const CLASSES = 10
const OF_CLASSES = { loss: 'categoricalCrossentropy', metrics: ['accuracy'] }
const LEARNING_RATE = 0.001

export const FIT_PROGRAMS: Readonly<Record<ProgramName, FitProgram>> = {
  cnn: {
    description: 'CNN of the mnist example of TensorFlow.js, 28x28x1',
    ...{ samples: 2_560, batchSize: 128, inputShape: [28, 28, 1], classes: CLASSES },
    build: buildCnn,
  },
  dense: {
    description: 'dense net 8-64-64-1',
    ...{ samples: 32_000, batchSize: 32, inputShape: [8], classes: 0 },
    build: buildDense,
  },
  lstm: {
    description: 'two LSTM layers of 128 units, 40 steps of 50 numbers',
    ...{ samples: 1_024, batchSize: 32, inputShape: [40, 50], classes: CLASSES },
    build: buildLstm,
  },
  resnet20: {
    description: 'ResNet-20 of tf.layers, 32x32x3',
    ...{ samples: 768, batchSize: 128, inputShape: [32, 32, 3], classes: CLASSES },
    build: buildResnet,
  },
  abalone: {
    description: 'dense net 8-50-50-1 of sigmoids, as large as the abalone example',
    ...{ samples: 3_200, batchSize: 100, inputShape: [8], classes: 0 },
    build: buildAbalone,
  },
  iris: {
    description: 'dense net 4-10-3, as large as the iris example',
    ...{ samples: 128, batchSize: 32, inputShape: [4], classes: 3 },
    build: buildIris,
  },
}

function buildCnn(tf: TensorFlow): LayersModel {
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({ inputShape: [28, 28, 1], filters: 32, kernelSize: 3, activation: 'relu' }),
      tf.layers.conv2d({ filters: 64, kernelSize: 3, activation: 'relu' }),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.dropout({ rate: 0.25 }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 128, activation: 'relu' }),
      tf.layers.dropout({ rate: 0.5 }),
      tf.layers.dense({ units: CLASSES, activation: 'softmax' }),
    ],
  })
  model.compile({ optimizer: tf.train.adam(LEARNING_RATE), ...OF_CLASSES })
  return model
}

function buildDense(tf: TensorFlow): LayersModel {
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ inputShape: [8], units: 64, activation: 'relu' }),
      tf.layers.dense({ units: 64, activation: 'relu' }),
      tf.layers.dense({ units: 1 }),
    ],
  })
  model.compile({ optimizer: tf.train.adam(LEARNING_RATE), loss: 'meanSquaredError', metrics: ['mae'] })
  return model
}

function buildAbalone(tf: TensorFlow): LayersModel {
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ inputShape: [8], units: 50, activation: 'sigmoid' }),
      tf.layers.dense({ units: 50, activation: 'sigmoid' }),
      tf.layers.dense({ units: 1 }),
    ],
  })
  model.compile({ optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError', metrics: ['mae'] })
  return model
}

function buildIris(tf: TensorFlow): LayersModel {
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ inputShape: [4], units: 10, activation: 'sigmoid' }),
      tf.layers.dense({ units: 3, activation: 'softmax' }),
    ],
  })
  model.compile({ optimizer: tf.train.adam(0.01), ...OF_CLASSES })
  return model
}

function buildLstm(tf: TensorFlow): LayersModel {
  // Of Keras, whose defaults differ; orthogonal matrices take TensorFlow.js seconds.
  const asKeras = { recurrentActivation: 'sigmoid', recurrentInitializer: 'glorotUniform' } as const
  const model = tf.sequential({
    layers: [
      tf.layers.lstm({ inputShape: [40, 50], units: 128, returnSequences: true, ...asKeras }),
      tf.layers.lstm({ units: 128, ...asKeras }),
      tf.layers.dense({ units: CLASSES, activation: 'softmax' }),
    ],
  })
  model.compile({ optimizer: tf.train.adam(LEARNING_RATE), ...OF_CLASSES })
  return model
}

function buildResnet(tf: TensorFlow): LayersModel {
  const apply = (layer: layers.Layer, to: SymbolicTensor | SymbolicTensor[]): SymbolicTensor =>
    layer.apply(to) as SymbolicTensor
  const convolve = (to: SymbolicTensor, filters: number, kernelSize: number, strides: number): SymbolicTensor => {
    const options = { filters, kernelSize, strides, padding: 'same', useBias: false } as const
    return apply(tf.layers.batchNormalization(), apply(tf.layers.conv2d(options), to))
  }
  const relu = (to: SymbolicTensor): SymbolicTensor => apply(tf.layers.activation({ activation: 'relu' }), to)
  const input = tf.input({ shape: [32, 32, 3] })
  let x = relu(convolve(input, 16, 3, 1))
  for (const filters of [16, 32, 64])
    for (let block = 0; block < 3; block++) {
      const strides = filters > 16 && block === 0 ? 2 : 1
      const y = convolve(relu(convolve(x, filters, 3, strides)), filters, 3, 1)
      x = relu(apply(tf.layers.add(), [strides === 2 ? convolve(x, filters, 1, 2) : x, y]))
    }
  const pooled = apply(tf.layers.globalAveragePooling2d({}), x)
  const outputs = apply(tf.layers.dense({ units: CLASSES, activation: 'softmax' }), pooled)
  const model = tf.model({ inputs: input, outputs })
  model.compile({ optimizer: tf.train.momentum(0.05, 0.9), ...OF_CLASSES })
  return model
}
