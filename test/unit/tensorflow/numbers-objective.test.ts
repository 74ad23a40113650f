import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { Scalar, Tensor } from '@tensorflow/tfjs'
import { describeModel } from '../../../src/model/describe-model.js'
import { initialWeights } from '../../../src/model/initial-weights.js'
import { tf as plain } from '../../../src/model/networks/tfjs.js'
import type { Engine } from '../../../src/tensorflow/engine/engine.js'
import { createEngine } from '../../../src/tensorflow/engine/create-engine.js'
import { loadTensorflow } from '../../../src/tensorflow/runtime/load-tensorflow.js'

const { tf } = loadTensorflow()
const COUNT = 6
const [INPUTS, OUTPUTS] = [3, 2]
const values = Float32Array.from({ length: COUNT * INPUTS }, (_, index) => Math.sin(1 + 7 * index))
/** Errors on both sides of 1, where Huber's loss changes. */
const targets = Float32Array.from({ length: COUNT * OUTPUTS }, (_, index) => 2 * Math.cos(index))
const targetMeans = [0.5, -0.25]

const built = plain.sequential({
  layers: [plain.layers.dense({ inputShape: [INPUTS], units: OUTPUTS, kernelInitializer: 'glorotNormal' })],
})
const inputs = [{ name: 'features', type: 'float32', shape: [INPUTS] }] as const
const engines: Engine[] = []
after(() => {
  for (const engine of engines) engine.close()
})

type NumberLoss = 'meanSquaredError' | 'meanAbsoluteError' | 'huberLoss'

async function engineFor(loss: NumberLoss): Promise<{ engine: Engine; weights: Float32Array }> {
  const model = describeModel(built, {
    inputs,
    objectives: [{ name: 'y', kind: 'numbers', loss, size: OUTPUTS, targetMeans }],
  })
  const sizes = { shardSize: COUNT, evaluationShardSize: COUNT, labelSmoothing: 0, precision: 'float32' } as const
  const engine = await createEngine({ model, ...sizes, augment: false, fillMode: 'constant' })
  engines.push(engine)
  const weights = initialWeights(model.layout, 3)
  engine.setWeights(weights)
  return { engine, weights }
}

/** The model in plain ops. */
function output(kernel: Tensor, bias: Tensor): Tensor {
  return tf.add(tf.matMul(tf.tensor2d(values, [COUNT, INPUTS]), kernel.reshape([INPUTS, OUTPUTS])), bias)
}

/** TensorFlow.js's own losses, of all samples. */
const LOSSES: Readonly<Record<NumberLoss, (predicted: Tensor) => Tensor>> = {
  meanSquaredError: (predicted) => tf.losses.meanSquaredError(expected(), predicted),
  meanAbsoluteError: (predicted) => tf.losses.absoluteDifference(expected(), predicted),
  huberLoss: (predicted) => tf.losses.huberLoss(expected(), predicted),
}

function expected(): Tensor {
  return tf.tensor2d(targets, [COUNT, OUTPUTS])
}

function isClose(actual: ArrayLike<number>, wanted: ArrayLike<number>, what: string): void {
  assert.equal(actual.length, wanted.length)
  for (let index = 0; index < actual.length; index++)
    assert.ok(Math.abs(actual[index]! - wanted[index]!) < 1e-4, `${what} ${index}: ${actual[index]} ${wanted[index]}`)
}

describe('a model whose outputs are numbers', () => {
  for (const loss of Object.keys(LOSSES) as NumberLoss[])
    it(`has the ${loss} and its gradient, summed over the samples`, async () => {
      const { engine, weights } = await engineFor(loss)
      const vector = engine.gradient({
        ...{ inputs: [values], targets: [targets], transforms: new Float32Array(COUNT * 8), dropoutKey: [1, 2] },
      })
      const [kernel, bias] = [weights.slice(0, INPUTS * OUTPUTS), weights.slice(INPUTS * OUTPUTS)]
      const { value, grads } = tf.valueAndGrads(
        (...[k, b]: Tensor[]) => tf.mul(LOSSES[loss](output(k!, b!)).mean(), COUNT) as Scalar,
      )([tf.tensor1d(kernel), tf.tensor1d(bias)])
      isClose(
        vector.subarray(0, -2),
        grads.flatMap((gradient) => [...gradient.dataSync()]),
        'gradient',
      )
      const absolute = tf.mul(LOSSES.meanAbsoluteError(output(tf.tensor1d(kernel), tf.tensor1d(bias))).mean(), COUNT)
      isClose(vector.subarray(-2), [value.dataSync()[0]!, absolute.dataSync()[0]!], 'loss, absolute error')
    })

  it('is evaluated by the sums of each output', async () => {
    const { engine, weights } = await engineFor('meanAbsoluteError')
    const predicted = engine.predict([values])
    isClose(predicted, output(tf.tensor1d(weights.slice(0, 6)), tf.tensor1d(weights.slice(6))).dataSync(), 'prediction')
    const sums = engine.evaluate({ inputs: [values], targets: [targets] })
    const of = (at: number, valueOf: (p: number, t: number) => number): number =>
      Array.from({ length: COUNT }, (_, sample) => sample * OUTPUTS + at).reduce(
        (sum, index) => sum + valueOf(predicted[index]!, targets[index]!),
        0,
      )
    const wanted = [0, 1].flatMap((at) => [
      of(at, (p, t) => Math.abs(p - t)),
      of(at, (p, t) => (p - t) ** 2),
      of(at, (_, t) => t - targetMeans[at]!),
      of(at, (_, t) => (t - targetMeans[at]!) ** 2),
    ])
    isClose(sums, [...wanted, (wanted[0]! + wanted[4]!) / OUTPUTS], 'sum')
  })
})
