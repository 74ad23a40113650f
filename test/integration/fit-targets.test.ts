import assert from 'node:assert/strict'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { LayersModel, Tensor } from '@tensorflow/tfjs'
import * as tf from '@tensorflow/tfjs'
import type { FitArgs } from '../../src/index.js'
import { fit } from '../../src/index.js'
import { packageRoot } from '../../src/shared/package-root.js'
import { philox } from '../../src/shared/philox.js'
import { freePort } from '../support/free-port.js'
import { killLaunches, Launch } from '../support/launch.js'
import { tinyDataset } from '../support/tiny-dataset.js'

const tiny = tinyDataset()
Object.assign(process.env, tiny.environment)
after(() => {
  killLaunches()
  tiny.remove()
})

const SAMPLES = 96
/** One batch of all samples, so that their order does not matter. */
const WHOLE = { batchSize: SAMPLES, epochs: 3, verbose: 0 } as const
const words = new Uint32Array(4)
const points = Array.from({ length: SAMPLES }, (_, index) => {
  philox(words, 1, 1, index, 0, 0, 0)
  return [...words].slice(0, 3).map((word) => word / 2 ** 31 - 1)
})
const x = tf.tensor2d(points)
const kinds = tf.tensor1d(points.map(([a]) => (a! < -0.3 ? 0 : a! < 0.4 ? 1 : 2)))
const oneHot = tf.oneHot(kinds.cast('int32'), 3)
const prices = tf.tensor2d(points.map(([a, b, c]) => [a! + 2 * b! - c!]))
const tags = tf.tensor2d(points.map(([a, b, c]) => [Number(a! > b!), Number(c! > 0)]))

/** What the example's `custom` returns. */
interface CustomCode {
  readonly layers: readonly unknown[]
  readonly losses: Readonly<Record<string, unknown>>
  readonly metrics: Readonly<Record<string, unknown>>
}

interface Head {
  readonly name: string
  readonly units: number
  readonly activation: 'softmax' | 'sigmoid' | 'linear'
}

const KIND: Head = { name: 'kind', units: 3, activation: 'softmax' }
const PRICE: Head = { name: 'price', units: 1, activation: 'linear' }
const TAGS: Head = { name: 'tags', units: 2, activation: 'sigmoid' }

/** Equal ones have equal first weights. */
function build(heads: readonly Head[], compiled: Partial<tf.ModelCompileArgs>): LayersModel {
  const input = tf.input({ shape: [3] })
  const drawn = (seed: number) => tf.initializers.glorotNormal({ seed })
  const hidden = tf.layers.dense({ units: 8, activation: 'tanh', kernelInitializer: drawn(1) }).apply(input)
  const model = tf.model({
    inputs: input,
    outputs: heads.map(
      (head, index) =>
        tf.layers.dense({ ...head, kernelInitializer: drawn(2 + index) }).apply(hidden) as tf.SymbolicTensor,
    ),
  })
  model.compile({ optimizer: tf.train.sgd(0.3), loss: 'meanSquaredError', ...compiled })
  return model
}

function isClose(actual: number, expected: number, what: string): void {
  assert.ok(Math.abs(actual - expected) < 2e-4 * Math.max(1, Math.abs(expected)), `${what}: ${actual} ${expected}`)
}

/** Trains the same model with fit and with model.fit, and compares the weights and the history. */
async function compare(
  heads: readonly Head[],
  compiled: Partial<tf.ModelCompileArgs>,
  y: Tensor | Tensor[] | Record<string, Tensor>,
  args: Partial<FitArgs> = {},
): Promise<Record<string, number[]>> {
  const [ours, theirs] = [build(heads, compiled), build(heads, compiled)]
  const { history } = await fit(ours, x, y, { ...WHOLE, workers: 1, ...args })
  const plainArgs: object = { ...WHOLE, ...args }
  const { history: expected } = await theirs.fit(x, y, plainArgs)
  for (const [index, weight] of ours.getWeights().entries()) {
    const wanted = theirs.getWeights()[index]!.dataSync()
    for (const [at, value] of weight.dataSync().entries()) isClose(value, wanted[at]!, ours.weights[index]!.name)
  }
  assert.deepEqual(Object.keys(history).sort(), Object.keys(expected).sort())
  // With several outputs, model.fit of TensorFlow.js 4.22 has the losses of validation under wrong names.
  const compared = Object.entries(history).filter(([name]) => !name.startsWith('val_'))
  for (const [name, values] of compared)
    for (const [epoch, value] of values.entries()) isClose(value, Number(expected[name]![epoch]), name)
  return history
}

describe('fit of several outputs', () => {
  const losses = ['categoricalCrossentropy', 'meanSquaredError', 'binaryCrossentropy']

  it('takes the steps of model.fit, with targets in order', async () => {
    const history = await compare([KIND, PRICE, TAGS], { loss: losses }, [oneHot, prices, tags])
    assert.deepEqual(Object.keys(history).sort(), ['kind_loss', 'loss', 'price_loss', 'tags_loss'])
    assert.ok(history['loss']![2]! < history['loss']![0]!)
  })

  it('takes targets, losses and metrics by the names of the outputs', async () => {
    const compiled = {
      loss: { kind: 'sparseCategoricalCrossentropy', price: 'meanAbsoluteError' },
      metrics: { kind: 'accuracy', price: 'mae' },
    }
    const validationData = [x, [kinds, prices]] as NonNullable<FitArgs['validationData']>
    const history = await compare([KIND, PRICE], compiled, { price: prices, kind: kinds }, { validationData })
    for (const name of ['kind_acc', 'price_mae', 'val_kind_acc', 'val_price_loss'])
      assert.equal(history[name]!.length, 3)
  })

  it('has the same weights on two workers', async () => {
    const hashes = []
    for (const workers of [1, 2]) {
      const model = build([KIND, PRICE, TAGS], { loss: losses })
      await fit(model, x, [oneHot, prices, tags], { epochs: 2, batchSize: 32, verbose: 0, workers })
      hashes.push(model.getWeights().map((weight) => [...weight.dataSync()]))
    }
    assert.deepEqual(hashes[0], hashes[1])
  })

  it('names the output whose targets are wrong', async () => {
    const model = build([KIND, PRICE], { loss: ['categoricalCrossentropy', 'meanSquaredError'] })
    const usage = (message: RegExp) => ({ code: 'usage', message })
    await assert.rejects(fit(model, x, oneHot, WHOLE), usage(/1 tensor of targets for a model with 2 outputs/))
    await assert.rejects(fit(model, x, { kind: oneHot }, WHOLE), usage(/y has no price; it has kind/))
    await assert.rejects(fit(model, x, [oneHot.mul(2), prices], WHOLE), usage(/row 0 of y\[kind\] is not one-hot/))
    const classWeight = { 0: 2 }
    await assert.rejects(fit(model, x, [oneHot, prices], { ...WHOLE, classWeight }), usage(/give sampleWeight/))
  })
})

describe('fit of yes and no', () => {
  it('takes the steps of model.fit, and has its accuracy', async () => {
    const history = await compare([TAGS], { loss: 'binaryCrossentropy', metrics: ['accuracy'] }, tags)
    assert.deepEqual(Object.keys(history).sort(), ['acc', 'loss'])
  })
})

describe('fit with custom code', () => {
  it('takes the steps of model.fit with a layer, a loss and a metric of the module', async () => {
    const file = path.join(packageRoot, 'examples', 'custom-layer', 'model.mjs')
    const { custom } = (await import(pathToFileURL(file).href)) as { custom: (given: typeof tf) => CustomCode }
    const { layers, losses, metrics } = custom(tf)
    const Waves = layers[0] as new (args: object) => tf.layers.Layer
    tf.serialization.registerClass(Waves as never)
    const frequencies = tf.tensor2d(points.map(([a, b]) => [2 + a! + b!]))
    const waves = (): LayersModel => {
      const input = tf.input({ shape: [3] })
      const drawn = tf.initializers.glorotNormal({ seed: 1 })
      const turned = new Waves({ units: 6, name: 'waves' }).apply(input)
      const dense = tf.layers.dense({ units: 1, activation: 'softplus', kernelInitializer: drawn, name: 'frequency' })
      const model = tf.model({ inputs: input, outputs: dense.apply(turned) as tf.SymbolicTensor })
      const compiled = { loss: losses['octaves'], metrics: [metrics['within10percent']] } as unknown
      model.compile({ optimizer: tf.train.sgd(0.1), ...(compiled as Pick<tf.ModelCompileArgs, 'loss' | 'metrics'>) })
      return model
    }
    const [ours, theirs] = [waves(), waves()]
    theirs.setWeights(ours.getWeights().map((weight) => weight.clone()))
    const validationData = [x, frequencies] as [Tensor, Tensor]
    const { history } = await fit(ours, x, frequencies, { ...WHOLE, validationData, custom: file, workers: 1 })
    const { history: expected } = await theirs.fit(x, frequencies, { ...WHOLE, validationData })
    for (const [index, weight] of ours.getWeights().entries()) {
      const wanted = theirs.getWeights()[index]!.dataSync()
      for (const [at, value] of weight.dataSync().entries()) isClose(value, wanted[at]!, ours.weights[index]!.name)
    }
    assert.deepEqual(Object.keys(history).sort(), ['loss', 'val_loss', 'val_within10percent'])
    for (const [name, values] of Object.entries(history))
      for (const [epoch, value] of values.entries()) isClose(value, Number(expected[name]![epoch]), name)
  })

  it('names a loss that the module does not have', async () => {
    const file = path.join(packageRoot, 'examples', 'custom-layer', 'model.mjs')
    const args = { ...WHOLE, custom: file, workers: 1 }
    const hinge = build([PRICE], { loss: 'hinge' })
    await assert.rejects(fit(hinge, x, prices, args), { code: 'usage', message: /--loss hinge: there is no such loss/ })
    await assert.rejects(fit(hinge, x, prices, WHOLE), /loss hinge is not supported; .*give the module that has it/)
  })
})

describe('fit with workers that were started elsewhere', () => {
  it('lets them take part, with the same weights', async () => {
    const trained = async (args: Partial<FitArgs>): Promise<number[][]> => {
      const model = build([KIND], { loss: 'categoricalCrossentropy' })
      await fit(model, x, oneHot, { epochs: 30, batchSize: 32, shardSize: 8, verbose: 0, workers: 1, ...args })
      return model.getWeights().map((weight) => [...weight.dataSync()])
    }
    const alone = await trained({})
    const address = `127.0.0.1:${await freePort()}`
    const worker = new Launch(['worker', '--join', address], tiny.environment)
    assert.deepEqual(await trained({ listen: address, workers: 1 }), alone)
    assert.equal(await worker.status(), 0, worker.stderr)
    assert.match(worker.stderr, /Done: /)
  })
})

describe('weights of samples in fit', () => {
  it('weigh classes as model.fit does', async () => {
    await compare([KIND], { loss: 'categoricalCrossentropy' }, oneHot, { classWeight: { 0: 3, 1: 1, 2: 0.25 } })
  })

  it('weigh each sample: one of 0 does not count, and one of 2 counts twice', async () => {
    const trained = async (sampleWeight: number[], samples: number[]): Promise<number[]> => {
      const model = build([PRICE], {})
      const [chosen, targets] = [x, prices].map((tensor) => tf.gather(tensor, samples)) as [Tensor, Tensor]
      const weights = tf.tensor1d(sampleWeight)
      await fit(model, chosen, targets, { ...WHOLE, batchSize: samples.length, sampleWeight: weights, workers: 1 })
      return model.getWeights().flatMap((weight) => [...weight.dataSync()])
    }
    const all = Array.from({ length: 48 }, (_, index) => index)
    const twice = await trained(
      all.map((index) => (index % 2 === 0 ? 2 : 0)),
      all,
    )
    const only = await trained(
      new Array<number>(24).fill(1),
      all.filter((index) => index % 2 === 0),
    )
    for (const [index, value] of twice.entries()) isClose(value, only[index]!, `weight ${index}`)
  })

  it('that are none are rejected', async () => {
    const sampleWeight = tf.fill([SAMPLES], -1)
    await assert.rejects(fit(build([PRICE], {}), x, prices, { ...WHOLE, sampleWeight }), /weight of sample 0 is -1/)
    const short = tf.ones([5])
    await assert.rejects(
      fit(build([PRICE], {}), x, prices, { ...WHOLE, sampleWeight: short }),
      /sampleWeight has 5 numbers for 96 samples/,
    )
  })
})
