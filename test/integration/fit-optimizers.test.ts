import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { LayersModel, Optimizer } from '@tensorflow/tfjs'
import * as tf from '@tensorflow/tfjs'
import { fit } from '../../src/index.js'
import { tinyDataset } from '../support/tiny-dataset.js'

const tiny = tinyDataset()
Object.assign(process.env, tiny.environment)
after(() => {
  tiny.remove()
})

const OPTIMIZERS: Readonly<Record<string, () => Optimizer>> = {
  sgd: () => tf.train.sgd(0.1),
  momentum: () => tf.train.momentum(0.1, 0.9),
  'momentum in the form of Nesterov': () => tf.train.momentum(0.1, 0.9, true),
  rmsprop: () => tf.train.rmsprop(0.01),
  'rmsprop with momentum, centered': () => tf.train.rmsprop(0.01, 0.8, 0.5, 1e-9, true),
  adagrad: () => tf.train.adagrad(0.1),
  adadelta: () => tf.train.adadelta(1, 0.9, 1e-4),
  adam: () => tf.train.adam(0.1, 0.8, 0.9),
  adamax: () => tf.train.adamax(0.05, 0.8, 0.9, 1e-6, 0.3),
}
/** Their state goes from one run to the next. */
const STATEFUL = ['momentum', 'rmsprop', 'adagrad', 'adam']

const CLASSES = 3
const POINTS = [
  [0.3, 1.9],
  [1.4, 1.1],
  [2.6, 0.4],
  [0.9, 0.2],
]

/** @param samples the first so many points */
function data(samples: number): { x: tf.Tensor2D; y: tf.Tensor } {
  const labels = tf.tensor1d(
    POINTS.slice(0, samples).map((_, index) => index % CLASSES),
    'int32',
  )
  return { x: tf.tensor2d(POINTS.slice(0, samples)), y: tf.oneHot(labels, CLASSES) }
}

function classifier(optimizer: Optimizer): LayersModel {
  const dense = (units: number, activation: 'tanh' | 'softmax', seed: number, inputShape?: number[]) =>
    tf.layers.dense({
      ...{ units, activation, kernelInitializer: tf.initializers.glorotNormal({ seed }) },
      ...(inputShape && { inputShape }),
    })
  const model = tf.sequential({ layers: [dense(4, 'tanh', 1, [2]), dense(CLASSES, 'softmax', 2)] })
  model.compile({ optimizer, loss: 'categoricalCrossentropy' })
  return model
}

function weightsOf(model: LayersModel): number[][] {
  return model.getWeights().map((weight) => [...weight.dataSync()])
}

async function stateOf({ optimizer }: LayersModel): Promise<[string, number[]][]> {
  const variables = await optimizer.getWeights()
  return variables.map(({ name, tensor }) => [name.replace(/\d+/g, ''), [...tensor.dataSync()]])
}

class Lion extends tf.SGDOptimizer {
  static override readonly className = 'Lion'
}

/** An optimizer that has taken a step with one weight. */
async function ofAnotherModel(): Promise<Optimizer> {
  const optimizer = tf.train.adam()
  const [iterations] = await optimizer.getWeights()
  const moments = ['m', 'v'].map((name) => ({ name: `weight/${name}`, tensor: tf.zeros([1]) }))
  await optimizer.setWeights([{ name: iterations!.name, tensor: tf.scalar(1, 'int32') }, ...moments])
  return optimizer
}

function areClose(actual: number[][], expected: number[][]): void {
  for (const [tensor, values] of expected.entries())
    for (const [at, value] of values.entries())
      assert.ok(Math.abs(actual[tensor]![at]! - value) < 1e-4, `${tensor}, ${at}: ${actual[tensor]![at]} ${value}`)
}

describe('the optimizer of a compiled model', () => {
  for (const [name, make] of Object.entries(OPTIMIZERS))
    it(`goes on from model.fit to fit and back: ${name}`, async () => {
      const { x, y } = data(4)
      const whole = { batchSize: 4, verbose: 0 } as const
      const [mixed, plain] = [classifier(make()), classifier(make())]
      await mixed.fit(x, y, { ...whole, epochs: 2 })
      const held = tf.memory().numTensors
      await fit(mixed, x, y, { ...whole, epochs: 2, workers: 1 })
      assert.equal(tf.memory().numTensors, held)
      assert.equal(mixed.optimizer.iterations, 4)
      await mixed.fit(x, y, { ...whole, epochs: 2 })
      await plain.fit(x, y, { ...whole, epochs: 6 })
      areClose(weightsOf(mixed), weightsOf(plain))
    })

  for (const name of STATEFUL)
    it(`gives the same bits in two trainings as in one: ${name}`, async () => {
      // The sum of two samples is the same in any order.
      const { x, y } = data(2)
      const [once, twice] = [classifier(OPTIMIZERS[name]!()), classifier(OPTIMIZERS[name]!())]
      const whole = { batchSize: 2, shardSize: 1, workers: 1, verbose: 0 } as const
      await fit(once, x, y, { ...whole, epochs: 5 })
      await fit(twice, x, y, { ...whole, epochs: 2 })
      const between = weightsOf(twice)
      await fit(twice, x, y, { ...whole, epochs: 3 })
      assert.notDeepEqual(weightsOf(twice), between)
      assert.deepEqual(weightsOf(twice), weightsOf(once))
      assert.deepEqual(await stateOf(twice), await stateOf(once))
    })

  it('is rejected when Convoy does not have it, or when it has the state of another model', async () => {
    const { x, y } = data(2)
    const rejects = async (optimizer: Optimizer, message: RegExp): Promise<void> =>
      assert.rejects(fit(classifier(optimizer), x, y), { code: 'usage', message })
    await rejects(new Lion(0.1), /optimizer Lion is not supported; use tf\.train\.sgd, momentum, rmsprop/)
    await rejects(await ofAnotherModel(), /state of other weights .* call model\.compile with a new optimizer/)
  })
})
