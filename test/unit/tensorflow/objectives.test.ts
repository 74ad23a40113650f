import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { LayersModel, Scalar, SymbolicTensor, Tensor, Tensor2D } from '@tensorflow/tfjs'
import type { ModelTask } from '../../../src/model/describe-model.js'
import { describeModel } from '../../../src/model/describe-model.js'
import { initialWeights } from '../../../src/model/initial-weights.js'
import { tf as plain } from '../../../src/model/networks/tfjs.js'
import { BINS } from '../../../src/model/objectives/binary-measures.js'
import { evaluationLength } from '../../../src/model/objectives/evaluation.js'
import type { CustomCode } from '../../../src/model/own/custom-code.js'
import type { ModelDescription } from '../../../src/model/parameter-layout.js'
import type { ConvoyError } from '../../../src/shared/errors.js'
import { createEngine } from '../../../src/tensorflow/engine/create-engine.js'
import type { Engine, GradientInput } from '../../../src/tensorflow/engine/engine.js'
import { loadTensorflow } from '../../../src/tensorflow/runtime/load-tensorflow.js'

const { tf } = loadTensorflow()
const COUNT = 6
const INPUTS = 3
const values = Float32Array.from({ length: COUNT * INPUTS }, (_, index) => Math.sin(1 + 7 * index))
const labels = Int32Array.from([2, 0, 1, 1, 0, 2])
const yesNo = Float32Array.from([1, 0, 0, 1, 1, 1, 0, 0, 1, 0, 1, 0])
const numbers = Float32Array.from({ length: COUNT }, (_, index) => 2 * Math.cos(index))
const inputs = [{ name: 'features', type: 'float32', shape: [INPUTS] }] as const
const ofBinary = { name: 'tags', kind: 'binary', loss: 'binaryCrossentropy', size: 2 } as const
const ofClasses = { name: 'kind', kind: 'classes', loss: 'crossEntropy', size: 3 } as const
const ofNumbers = { name: 'price', kind: 'numbers', loss: 'meanSquaredError', size: 1, targetMeans: [0] } as const

const engines: Engine[] = []
after(() => {
  for (const engine of engines) engine.close()
})

interface Built {
  readonly engine: Engine
  readonly model: ModelDescription
  readonly weights: Float32Array
  readonly gradient: (given: Pick<GradientInput, 'targets' | 'weights'>) => Float32Array
}

async function build(network: LayersModel, task: ModelTask, custom?: CustomCode): Promise<Built> {
  const model = describeModel(network, { inputs, ...task })
  const sizes = { shardSize: COUNT, evaluationShardSize: COUNT, labelSmoothing: 0, precision: 'float32' } as const
  const engine = await createEngine({ model, ...sizes, augment: false, fillMode: 'constant' }, { custom })
  engines.push(engine)
  const weights = initialWeights(model.layout, 3)
  engine.setWeights(weights)
  const gradient: Built['gradient'] = (given) =>
    engine.gradient({ inputs: [values], transforms: new Float32Array(COUNT * 8), dropoutKey: [1, 2], ...given })
  return { engine, model, weights, gradient }
}

/** A dense layer for each output. */
function heads(
  ...outputs: readonly { units: number; activation?: 'softmax' | 'sigmoid'; name: string }[]
): LayersModel {
  const input = plain.input({ shape: [INPUTS] })
  return plain.model({
    inputs: input,
    outputs: outputs.map(
      (head) => plain.layers.dense({ ...head, kernelInitializer: 'glorotNormal' }).apply(input) as SymbolicTensor,
    ),
  })
}

/** Gradients of the same heads in plain ops: of all kernels and biases in their order, then the loss. */
function expected(
  { model, weights }: Built,
  lossOf: (outputs: Tensor2D[]) => Tensor,
): { gradient: number[]; loss: number; outputs: Tensor2D[] } {
  const parameters = model.layout.tensors.map(({ offset, size, shape }) =>
    tf.tensor(weights.slice(offset, offset + size), [...shape]),
  )
  const x = tf.tensor2d(values, [COUNT, INPUTS])
  const outputsOf = (all: Tensor[]): Tensor2D[] =>
    Array.from(
      { length: all.length / 2 },
      (_, head) => tf.add(tf.matMul(x, all[2 * head] as Tensor2D), all[2 * head + 1]!) as Tensor2D,
    )
  const { value, grads } = tf.valueAndGrads((...all: Tensor[]) => lossOf(outputsOf(all)).sum() as Scalar)(parameters)
  return {
    gradient: grads.flatMap((gradient) => [...gradient.dataSync()]),
    loss: value.dataSync()[0]!,
    outputs: outputsOf(parameters),
  }
}

function isClose(actual: ArrayLike<number>, wanted: ArrayLike<number>, what: string): void {
  assert.equal(actual.length, wanted.length, what)
  for (let index = 0; index < actual.length; index++)
    assert.ok(Math.abs(actual[index]! - wanted[index]!) < 1e-4, `${what} ${index}: ${actual[index]} ${wanted[index]}`)
}

const tags = tf.tensor2d(yesNo, [COUNT, 2])
/** TensorFlow.js's own, of each sample. */
const binary = (logits: Tensor): Tensor =>
  tf.losses.sigmoidCrossEntropy(tags, logits, undefined, 0, tf.Reduction.NONE).mean(1)
const classes = (logits: Tensor2D): Tensor =>
  tf.losses.softmaxCrossEntropy(tf.oneHot(tf.tensor1d(labels, 'int32'), 3), logits, undefined, 0, tf.Reduction.NONE)
const squares = (output: Tensor): Tensor => tf.square(tf.sub(output, tf.tensor2d(numbers, [COUNT, 1]))).mean(1)

describe('a model that learns yes and no', () => {
  for (const activation of ['sigmoid', undefined] as const)
    it(`has the cross-entropy of each, and its gradient, with ${activation ?? 'no activation'}`, async () => {
      const head = { units: 2, name: `tags-${activation}`, ...(activation && { activation }) }
      const built = await build(heads(head), { objectives: [ofBinary] })
      const vector = built.gradient({ targets: [yesNo] })
      const { gradient, loss, outputs } = expected(built, ([logits]) => binary(logits!))
      isClose(vector.subarray(0, -2), gradient, 'gradient')
      const probabilities = outputs[0]!.sigmoid().dataSync()
      const right = probabilities.filter((p, index) => Number(p >= 0.5) === yesNo[index]!).length / 2
      isClose(vector.subarray(-2), [loss, right], 'loss, correct')
      isClose(built.engine.predict([values]), probabilities, 'probability')

      const sums = built.engine.evaluate({ inputs: [values], targets: [yesNo] })
      const counted = new Float32Array(4 * BINS)
      for (const [index, p] of probabilities.entries())
        counted[(2 * (index % 2) + yesNo[index]!) * BINS + Math.floor(p * BINS)]!++
      isClose(sums, [...counted, loss], 'sum')
    })

  it('learns where all logits are 0: the gradient of the definition has no kink', async () => {
    const built = await build(heads({ units: 2, name: 'flat' }), { objectives: [ofBinary] })
    built.engine.setWeights(new Float32Array(built.weights.length))
    const bias = built.gradient({ targets: [yesNo] }).subarray(INPUTS * 2, INPUTS * 2 + 2)
    const wanted = [0, 1].map((at) => yesNo.reduce((sum, t, index) => sum + (index % 2 === at ? (0.5 - t) / 2 : 0), 0))
    isClose(bias, wanted, 'gradient of the bias')
  })
})

describe('a model with several outputs', () => {
  const objectives = [ofClasses, { ...ofNumbers, weight: 0.25 }, ofBinary]
  const targets = [labels, numbers, yesNo]
  const network = heads(
    { units: 3, activation: 'softmax', name: 'kind' },
    { units: 1, name: 'price' },
    { units: 2, activation: 'sigmoid', name: 'tags' },
  )

  it('has the weighted sum of their losses, and the loss and the measure of each', async () => {
    const built = await build(network, { objectives })
    assert.deepEqual(built.model.layout.measures, [
      ...['kind_loss', 'kind_accuracy', 'price_loss', 'price_mae', 'tags_loss', 'tags_accuracy'],
    ])
    const vector = built.gradient({ targets })
    const { gradient, loss, outputs } = expected(built, ([kind, price, tagged]) =>
      tf.addN([classes(kind!), squares(price!).mul(0.25), binary(tagged!)]),
    )
    isClose(vector.subarray(0, gradient.length), gradient, 'gradient')
    const [total, ...measures] = vector.subarray(gradient.length)
    isClose([total!], [loss], 'loss')
    const each = [classes(outputs[0]!), squares(outputs[1]!), binary(outputs[2]!)].map(
      (one) => one.sum().dataSync()[0]!,
    )
    isClose([measures[0]!, measures[2]!, measures[4]!], each, 'loss of each')
    const predicted = outputs[0]!.argMax(1).dataSync()
    assert.equal(measures[1], labels.filter((label, index) => label === predicted[index]).length)
  })

  it('is evaluated and predicts all of them', async () => {
    const { engine, model } = await build(network, { objectives })
    const sums = engine.evaluate({ inputs: [values], targets })
    assert.equal(sums.length, evaluationLength(model))
    assert.equal(sums.length, 9 + 1 + (4 + 1) + (4 * BINS + 1) + 1)
    const predicted = engine.predict([values])
    assert.equal(predicted.length, COUNT * 6)
    const [first] = [predicted.subarray(0, 3)]
    assert.ok(Math.abs(first!.reduce((sum, p) => sum + p, 0) - 1) < 1e-5)
  })
})

describe('a model with more than five classes', () => {
  it('counts the samples whose class is among the five most probable', async () => {
    const objectives = [{ ...ofClasses, size: 7 }]
    const built = await build(heads({ units: 7, activation: 'softmax', name: 'seven' }), { objectives })
    const probabilities = built.engine.predict([values])
    // The most probable class of sample 0, the second of sample 1, and so on: only the last one is beyond five.
    const targets = Int32Array.from({ length: COUNT }, (_, sample) => {
      const row = [...probabilities.subarray(7 * sample, 7 * sample + 7)]
      return row.indexOf(row.toSorted((p, q) => q - p)[sample]!)
    })
    const sums = built.engine.evaluate({ inputs: [values], targets: [targets] })
    assert.equal(sums[49], COUNT - 1)
  })
})

describe('weights of samples', () => {
  it('multiply their losses, and no measure', async () => {
    const built = await build(heads({ units: 1, name: 'weighted' }), {
      objectives: [ofNumbers],
      hasSampleWeights: true,
    })
    const weights = Float32Array.from([1, 0, 2, 0.5, 3, 1])
    const vector = built.gradient({ targets: [numbers], weights })
    const { gradient, loss } = expected(built, ([output]) => tf.mul(squares(output!), tf.tensor1d(weights)))
    isClose(vector.subarray(0, gradient.length), gradient, 'gradient')
    isClose([vector.at(-2)!], [loss], 'loss')
    const plainly = await build(heads({ units: 1, name: 'weighted' }), { objectives: [ofNumbers] })
    assert.equal(plainly.gradient({ targets: [numbers] }).at(-1), vector.at(-1))
  })
})

describe('a custom loss', () => {
  const cubes = (targets: Tensor, outputs: Tensor): Tensor => tf.pow(tf.abs(tf.sub(outputs, targets)), 3)
  const custom: CustomCode = {
    layers: {},
    losses: { cubes, total: (targets, outputs) => cubes(targets, outputs).sum() },
    metrics: { most: { price: (targets, outputs) => tf.abs(tf.sub(outputs, targets)).max(1) } },
  }

  it('is learnt, and custom metrics are measured', async () => {
    const objective = { ...ofNumbers, loss: 'cubes', metrics: ['most'] }
    const built = await build(heads({ units: 1, name: 'custom' }), { objectives: [objective] }, custom)
    const target = tf.tensor2d(numbers, [COUNT, 1])
    const { gradient, loss, outputs } = expected(built, ([output]) => cubes(target, output!))
    const vector = built.gradient({ targets: [numbers] })
    isClose(vector.subarray(0, gradient.length), gradient, 'gradient')
    isClose([vector.at(-2)!], [loss], 'loss')
    const sums = built.engine.evaluate({ inputs: [values], targets: [numbers] })
    isClose(sums.subarray(-2), [tf.abs(tf.sub(outputs[0]!, target)).sum().dataSync()[0]!, loss], 'metric, loss')
  })

  it('of classes gets rows with a 1, and the probabilities', async () => {
    const share = (targets: Tensor, outputs: Tensor): Tensor => tf.sub(1, tf.sum(tf.mul(targets, outputs), 1))
    const objectives = [{ ...ofClasses, loss: 'share' }]
    const network = heads({ units: 3, activation: 'softmax', name: 'shares' })
    const built = await build(network, { objectives }, { ...custom, losses: { share }, metrics: {} })
    const oneHot = tf.oneHot(tf.tensor1d(labels, 'int32'), 3)
    const { gradient } = expected(built, ([logits]) => share(oneHot, tf.softmax(logits!)))
    isClose(built.gradient({ targets: [labels] }).subarray(0, gradient.length), gradient, 'gradient')
  })

  it('that gives several values for a sample is their mean', async () => {
    const both = (targets: Tensor, outputs: Tensor): Tensor =>
      tf.concat([cubes(targets, outputs), squares(outputs).expandDims(1)], 1)
    const network = heads({ units: 1, name: 'both' })
    const objectives = [{ ...ofNumbers, loss: 'both' }]
    const built = await build(network, { objectives }, { ...custom, losses: { both }, metrics: {} })
    const target = tf.tensor2d(numbers, [COUNT, 1])
    const { loss } = expected(built, ([output]) => both(target, output!).mean(1))
    isClose([built.gradient({ targets: [numbers] }).at(-2)!], [loss], 'loss')
  })

  it('that gives one value for all samples, or draws at random, is rejected', async () => {
    const problem = async (loss: string, losses: CustomCode['losses']): Promise<ConvoyError> => {
      const network = heads({ units: 1, name: `wrong-${loss}` })
      const built = await build(network, { objectives: [{ ...ofNumbers, loss }] }, { ...custom, losses, metrics: {} })
      try {
        built.gradient({ targets: [numbers] })
      } catch (error) {
        return error as ConvoyError
      }
      throw new Error('nothing was thrown')
    }
    assert.match((await problem('total', custom.losses)).message, /for 6 samples; return a value for each/)
    const drawn = (targets: Tensor, outputs: Tensor): Tensor =>
      tf.mul(cubes(targets, outputs), tf.randomUniform(targets.shape))
    assert.match((await problem('drawn', { drawn })).message, /draws from Math.random/)
  })
})
