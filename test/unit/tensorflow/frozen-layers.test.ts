import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { Scalar, Tensor } from '@tensorflow/tfjs'
import { describeModel } from '../../../src/model/describe-model.js'
import { frozenTensors } from '../../../src/model/frozen-weights.js'
import { initialWeights } from '../../../src/model/initial-weights.js'
import { tf as plain } from '../../../src/model/networks/tfjs.js'
import { createEngine } from '../../../src/tensorflow/engine/create-engine.js'
import { loadTensorflow } from '../../../src/tensorflow/runtime/load-tensorflow.js'

const { tf } = loadTensorflow()
const [COUNT, INPUTS, WIDTH] = [5, 3, 4]
const values = Float32Array.from({ length: COUNT * INPUTS }, (_, index) => Math.sin(1 + 7 * index))
const targets = Float32Array.from({ length: COUNT }, (_, index) => Math.cos(index))
const { layers } = plain
const inputs = [{ name: 'features', type: 'float32', shape: [INPUTS] }] as const
const MEAN = [0.1, -0.2, 0.3, 0]
const VARIANCE = [1, 0.5, 2, 1.5]

const base = layers.dense({ inputShape: [INPUTS], units: WIDTH, name: 'base', kernelInitializer: 'glorotNormal' })
const norm = layers.batchNormalization({ name: 'norm' })
const model = plain.sequential({ layers: [base, norm, layers.dense({ units: 1, name: 'head' })] })
norm.setWeights([plain.ones([WIDTH]), plain.zeros([WIDTH]), plain.tensor1d(MEAN), plain.tensor1d(VARIANCE)])
base.trainable = false
norm.trainable = false
const frozen = frozenTensors(model)!
const described = describeModel(model, {
  inputs,
  objectives: [{ name: 'y', kind: 'numbers', loss: 'meanSquaredError', size: 1, targetMeans: [0] }],
})
const stored = { name: 'frozen', fingerprint: '0'.repeat(64), count: 1, inputs: [], targets: [], classNames: [] }
const engine = await createEngine(
  {
    ...{ model: { ...described, frozen: { stored, tensors: frozen.tensors } }, labelSmoothing: 0 },
    ...{ shardSize: COUNT, evaluationShardSize: COUNT, precision: 'float32', augment: false, fillMode: 'constant' },
  },
  { frozen: frozen.values },
)
after(() => {
  engine.close()
})

describe('frozen layers', () => {
  it('are no part of the vector of weights, moving statistics of batch norm included', () => {
    assert.deepEqual(
      described.layout.tensors.map(({ name }) => name),
      ['head/kernel', 'head/bias'],
    )
    assert.deepEqual(
      frozen.tensors.map(({ name, offset }) => [name, offset]),
      [
        ...[
          ['base/kernel', 0],
          ['base/bias', 12],
        ],
        ...[
          ['norm/gamma', 16],
          ['norm/beta', 20],
          ['norm/moving_mean', 24],
          ['norm/moving_variance', 28],
        ],
      ],
    )
    assert.deepEqual([...frozen.values.subarray(28)], VARIANCE)
  })

  it('compute with their own values, batch norm with its moving statistics, and the others have the gradient of that', () => {
    const weights = initialWeights(described.layout, 3)
    engine.setWeights(weights)
    const shard = {
      inputs: [values],
      targets: [targets],
      transforms: new Float32Array(COUNT * 8),
      dropoutKey: [1, 2] as const,
    }
    const [first, second] = [engine.gradient(shard), engine.gradient(shard)]
    assert.deepEqual(first, second)
    const kernel = tf.tensor2d(frozen.values.slice(0, 12), [INPUTS, WIDTH])
    const hidden = tf.matMul(tf.tensor2d(values, [COUNT, INPUTS]), kernel)
    const normal = tf.div(tf.sub(hidden, tf.tensor1d(MEAN)), tf.sqrt(tf.add(tf.tensor1d(VARIANCE), 0.001)))
    const { value, grads } = tf.valueAndGrads(
      (...[k, b]: Tensor[]) =>
        tf.sum(
          tf.square(tf.sub(tf.add(tf.matMul(normal as never, k as never), b!), tf.tensor2d(targets, [COUNT, 1]))),
        ) as Scalar,
    )([tf.tensor2d(weights.slice(0, WIDTH), [WIDTH, 1]), tf.tensor1d(weights.slice(WIDTH))])
    const expected = [...grads.flatMap((gradient) => [...gradient.dataSync()]), value.dataSync()[0]!]
    assert.equal(first.length, WIDTH + 1 + 2)
    for (const [index, wanted] of expected.entries())
      assert.ok(Math.abs(first[index]! - wanted) < 1e-4, `${index}: ${first[index]} ${wanted}`)
  })
})
