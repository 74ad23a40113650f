import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { LayersModel, Logs, ModelFitArgs, Optimizer, Scalar, Tensor2D } from '@tensorflow/tfjs'
import * as tf from '@tensorflow/tfjs'
import type { FitArgs, FitHistory } from '../../src/index.js'
import { fit, fitDataset } from '../../src/index.js'
import { packageRoot } from '../../src/shared/package-root.js'
import { philox } from '../../src/shared/philox.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import { weightsSha256 } from '../../src/model/weights-sha256.js'

const tiny = tinyDataset()
const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-fit-test-'))
// What it leaves behind is looked for in a temporary directory of its own.
Object.assign(process.env, tiny.environment, { TMPDIR: scratch })
after(() => {
  tiny.remove()
  rmSync(scratch, { recursive: true, force: true })
})

const SAMPLES = 240
const CLASSES = 3
const QUIET = { verbose: 0, batchSize: 16, seed: 3 } as const
/** Three groups of points that overlap a little. */
const points = Array.from({ length: SAMPLES }, (_, index) => {
  const [a, b] = drawn(index)
  return [(index % CLASSES) + 1.2 * a, 2 - 0.8 * (index % CLASSES) + 1.2 * b]
})
const x = tf.tensor2d(points)
const labels = tf.tensor1d(
  Int32Array.from({ length: SAMPLES }, (_, index) => index % CLASSES),
  'int32',
)
const oneHot = tf.oneHot(labels, CLASSES)
const numbers = tf.tensor2d(points.map(([a, b]) => [2 * a! - b! + 1]))

function drawn(index: number): [number, number] {
  const words = new Uint32Array(4)
  philox(words, 1, 1, index, 0, 0, 0)
  return [words[0]! / 2 ** 32, words[1]! / 2 ** 32]
}

function classifier(loss = 'categoricalCrossentropy', optimizer: Optimizer = tf.train.adam(0.02)): LayersModel {
  const model = tf.sequential({
    layers: [
      tf.layers.dense({
        inputShape: [2],
        units: 8,
        activation: 'tanh',
        kernelInitializer: tf.initializers.glorotNormal({ seed: 1 }),
      }),
      tf.layers.dense({
        units: CLASSES,
        activation: 'softmax',
        kernelInitializer: tf.initializers.glorotNormal({ seed: 2 }),
      }),
    ],
  })
  model.compile({ optimizer, loss, metrics: ['accuracy'] })
  return model
}

function regressor(loss = 'meanSquaredError', metrics: string[] = ['mae']): LayersModel {
  const kernelInitializer = tf.initializers.glorotNormal({ seed: 1 })
  const model = tf.sequential({ layers: [tf.layers.dense({ inputShape: [2], units: 1, kernelInitializer })] })
  model.compile({ optimizer: tf.train.sgd(0.05), loss, metrics })
  return model
}

function hashOf(model: LayersModel): string {
  const values = model.getWeights().flatMap((weight) => [...weight.dataSync()])
  return weightsSha256(Float32Array.from(values))
}

async function rejects(promise: Promise<unknown>, message: RegExp): Promise<void> {
  await assert.rejects(promise, (error: Error & { code: string }) => {
    assert.match(error.message, message)
    assert.equal(error.code, 'usage')
    return true
  })
}

function isClose(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) < 1e-4 * Math.max(1, Math.abs(expected)), `${actual} ${expected}`)
}

describe('fit in place of model.fit', () => {
  const args = { ...QUIET, epochs: 6, validationSplit: 0.25, shardSize: 4 }
  const one = classifier()
  let history: FitHistory
  before(async () => {
    history = await fit(one, x, oneHot, { ...args, workers: 1 })
  })

  it('leaves the model with the same weights on any number of workers', async () => {
    for (const workers of [2, 3]) {
      const model = classifier()
      const again = await fit(model, x, oneHot, { ...args, workers })
      assert.equal(hashOf(model), hashOf(one))
      assert.deepEqual(again, history)
    }
  })

  it('returns the history, and its last values are those that the model has', () => {
    assert.deepEqual(history.epoch, [0, 1, 2, 3, 4, 5])
    assert.deepEqual(Object.keys(history.history).sort(), ['acc', 'loss', 'val_acc', 'val_loss'])
    assert.ok(Object.values(history.history).every((values) => values.length === 6))
    const held = SAMPLES / 4
    const last = [x, oneHot].map((tensor) => tensor.slice([SAMPLES - held], [held]))
    const [loss, accuracy] = one.evaluate(last[0]!, last[1]!) as [Scalar, Scalar]
    isClose(history.history['val_loss']!.at(-1)!, loss.dataSync()[0]!)
    isClose(history.history['val_acc']!.at(-1)!, accuracy.dataSync()[0]!)
  })

  it('learns as well as model.fit', async () => {
    const plain = classifier()
    const plainArgs: ModelFitArgs = { epochs: 6, batchSize: 16, validationSplit: 0.25 }
    const { history: other } = await plain.fit(x, oneHot, plainArgs)
    const [ours, theirs] = [history.history['val_loss']!.at(-1)!, Number(other['val_loss']!.at(-1))]
    assert.ok(Math.abs(ours - theirs) < 0.15, `${ours} ${theirs}`)
  })

  it('takes one step of each optimizer as model.fit does, when the whole data are one batch', async () => {
    const optimizers = [
      ...[() => tf.train.sgd(0.1), () => tf.train.momentum(0.1, 0.9), () => tf.train.momentum(0.1, 0.9, true)],
      ...[() => tf.train.rmsprop(0.01), () => tf.train.rmsprop(0.01, 0.8, 0.5, 1e-9, true)],
      ...[() => tf.train.adagrad(0.1), () => tf.train.adadelta(1, 0.9, 1e-4)],
      ...[() => tf.train.adam(0.1), () => tf.train.adamax(0.05, 0.8, 0.9, 1e-6, 0.3)],
    ]
    for (const make of optimizers) {
      const [ours, theirs] = [
        classifier('categoricalCrossentropy', make()),
        classifier('categoricalCrossentropy', make()),
      ]
      const whole = { batchSize: SAMPLES, epochs: 2, verbose: 0 } as const
      await fit(ours, x, oneHot, { ...whole, workers: 1 })
      await theirs.fit(x, oneHot, whole)
      for (const [index, weight] of ours.getWeights().entries()) {
        const expected = theirs.getWeights()[index]!.dataSync()
        for (const [at, value] of weight.dataSync().entries()) isClose(value, expected[at]!)
      }
    }
  })
})

describe('fit with callbacks', () => {
  it('calls them as model.fit does', async () => {
    const calls = async (
      train: (callbacks: NonNullable<FitArgs['callbacks']>) => Promise<unknown>,
    ): Promise<string[]> => {
      const seen: string[] = []
      const note = (name: string) => (index?: number, logs?: Logs) => {
        const keys = logs === undefined || typeof index === 'object' ? '' : Object.keys(logs).sort().join()
        seen.push(`${name} ${typeof index === 'number' ? index : ''} ${keys}`)
      }
      await train({
        ...{ onTrainBegin: () => note('train begins')(), onTrainEnd: () => note('train ends')() },
        ...{ onEpochEnd: note('epoch ends'), onBatchEnd: note('batch ends') },
        onEpochBegin: (epoch: number) => note('epoch begins')(epoch),
      })
      return seen
    }
    // Whole batches in each epoch, so that none straddles two.
    const args = { batchSize: 48, epochs: 3, initialEpoch: 1, validationSplit: 0.2, verbose: 0 } as const
    const ours = await calls((callbacks) => fit(classifier(), x, oneHot, { ...args, callbacks, workers: 1 }))
    const theirs = await calls((callbacks) =>
      classifier().fit(x, oneHot, { ...args, callbacks: callbacks as tf.CustomCallbackArgs }),
    )
    assert.deepEqual(ours, theirs)
  })

  it('stops at the epoch in which one sets stopTraining, with the weights of that epoch', async () => {
    const [stopped, short] = [classifier(), classifier()]
    const onEpochEnd = (epoch: number): void => {
      stopped.stopTraining = epoch === 2
    }
    const { epoch } = await fit(stopped, x, oneHot, { ...QUIET, epochs: 50, workers: 1, callbacks: { onEpochEnd } })
    assert.deepEqual(epoch, [0, 1, 2])
    await fit(short, x, oneHot, { ...QUIET, epochs: 3, workers: 1 })
    assert.equal(hashOf(stopped), hashOf(short))
    assert.equal(stopped.optimizer.iterations, short.optimizer.iterations)
  })

  it('ends when one throws or the signal fires, and leaves the weights as they were', async () => {
    const model = classifier()
    const before = hashOf(model)
    const temporary = (): string[] =>
      readdirSync(os.tmpdir()).filter((name) => name.startsWith('convoy-fit-') && !name.startsWith('convoy-fit-test'))
    const others = temporary()
    const failing = (): void => {
      throw new Error('enough')
    }
    await assert.rejects(fit(model, x, oneHot, { ...QUIET, epochs: 50, callbacks: { onEpochEnd: failing } }), /enough/)
    const signal = AbortSignal.timeout(2_000)
    await assert.rejects(fit(model, x, oneHot, { ...QUIET, epochs: 100_000, signal }), { name: 'TimeoutError' })
    assert.equal(hashOf(model), before)
    assert.equal(model.optimizer.iterations, 0)
    assert.deepEqual(temporary(), others)
  })
})

describe('fit of other models', () => {
  it('learns numbers', async () => {
    const model = regressor('meanSquaredError', ['mae', 'mse'])
    const { history } = await fit(model, x, numbers, { ...QUIET, epochs: 20, workers: 1, validationData: [x, numbers] })
    assert.deepEqual(Object.keys(history).sort(), ['loss', 'mae', 'mse', 'val_loss', 'val_mae', 'val_mse'])
    const [loss, mae] = model.evaluate(x, numbers) as [Scalar, Scalar]
    assert.ok(loss.dataSync()[0]! < 0.05)
    isClose(history['val_loss']!.at(-1)!, loss.dataSync()[0]!)
    isClose(history['val_mae']!.at(-1)!, mae.dataSync()[0]!)
  })

  it('takes labels in place of one-hot rows', async () => {
    const [rows, numbered] = [classifier(), classifier('sparseCategoricalCrossentropy')]
    await fit(rows, x, oneHot, { ...QUIET, epochs: 2, workers: 1 })
    await fit(numbered, x, labels, { ...QUIET, epochs: 2, workers: 1 })
    assert.equal(hashOf(rows), hashOf(numbered))
  })

  it('takes several inputs, token ids among them', async () => {
    const tokens = tf.input({ shape: [4], dtype: 'int32', name: 'tokens' })
    const side = tf.input({ shape: [2], name: 'side' })
    const embedded = tf.layers.embedding({ inputDim: 10, outputDim: 4 }).apply(tokens) as tf.SymbolicTensor
    const read = tf.layers.lstm({ units: 4, recurrentActivation: 'sigmoid' }).apply(embedded) as tf.SymbolicTensor
    const both = tf.layers.concatenate().apply([read, side]) as tf.SymbolicTensor
    const output = tf.layers.dense({ units: CLASSES, activation: 'softmax' }).apply(both) as tf.SymbolicTensor
    const model = tf.model({ inputs: [tokens, side], outputs: output })
    const ids = tf.tensor2d(
      Int32Array.from({ length: SAMPLES * 4 }, (_, index) => (index * 7 + Math.floor(index / 12)) % 10),
      [SAMPLES, 4],
      'int32',
    )
    const hashes = []
    const given = model.getWeights().map((weight) => weight.clone())
    for (const workers of [1, 2]) {
      model.setWeights(given)
      model.compile({ optimizer: 'adam', loss: 'categoricalCrossentropy', metrics: ['accuracy'] })
      await fit(model, [ids, x], oneHot, { ...QUIET, epochs: 3, workers })
      hashes.push(hashOf(model))
    }
    assert.equal(hashes[0], hashes[1])
    assert.ok(given.some((weight, index) => weight.dataSync()[0] !== model.getWeights()[index]!.dataSync()[0]))
  })

  it('leaves frozen layers as they are', async () => {
    const model = classifier()
    model.layers[0]!.trainable = false
    await rejects(fit(model, x, oneHot), /trainable. of a layer was changed .* call model\.compile/)
    model.compile({ optimizer: 'adam', loss: 'categoricalCrossentropy' })
    const before = model.getWeights().map((weight) => [...weight.dataSync()])
    await fit(model, x, oneHot, { ...QUIET, epochs: 2, workers: 1 })
    const after = model.getWeights().map((weight) => [...weight.dataSync()])
    const named = model.weights.map(
      ({ name }, index) => [name, before[index]!.join() === after[index]!.join()] as const,
    )
    for (const [name, isSame] of named) assert.equal(isSame, name.startsWith(model.layers[0]!.name), name)
  })

  it('takes a dataset of batches, and of validation', async () => {
    const [ofTensors, ofBatches] = [classifier(), classifier()]
    const batches = tf.data
      .zip({ xs: tf.data.array(points), ys: tf.data.array(oneHot.arraySync() as number[][]) })
      .batch(16)
    const args = { epochs: 2, seed: 3, workers: 1, verbose: 0 } as const
    const first = await fit(ofTensors, x, oneHot, { ...args, batchSize: 16, validationData: [x, oneHot] })
    const second = await fitDataset(ofBatches, batches as never, { ...args, validationData: batches as never })
    assert.equal(hashOf(ofTensors), hashOf(ofBatches))
    assert.deepEqual(first, second)
  })
})

describe('fit of what cannot be trained', () => {
  it('says what to change', async () => {
    const uncompiled = tf.sequential({ layers: [tf.layers.dense({ inputShape: [2], units: 1 })] })
    await rejects(fit(uncompiled, x, numbers), /not compiled; call model\.compile/)
    await rejects(fit(regressor('hinge', []), x, numbers), /loss hinge is not supported; use categorical/)
    await rejects(fit(regressor('meanAbsoluteError', ['mse']), x, numbers), /metric mse is not supported with the loss/)
    await rejects(fit(classifier(), x, oneHot.mul(0.5)), /row 0 of y is not one-hot \(0\.5, 0, 0\)/)
    await rejects(
      fit(classifier('sparseCategoricalCrossentropy'), x, labels.add(1)),
      /sample 2 of y has the label 3; the model has the classes 0 to 2/,
    )
    await rejects(fit(classifier(), x, oneHot.slice([0], [9]) as Tensor2D), /other numbers of samples \(240, 9\)/)
    await rejects(fit(classifier(), x, oneHot, { shuffle: false } as FitArgs), /argument shuffle is not supported yet/)
    await rejects(fit(classifier(), x, oneHot, { validationSplit: 1 }), /validationSplit is 1; give a number between/)
    await rejects(fit(classifier(), x.cast('bool'), oneHot), /of type bool; give float32 or int32/)
  })
})

describe('tensors that fit packed', () => {
  it('stay for a day', async () => {
    const stored = path.join(tiny.environment['CONVOY_CACHE']!, 'datasets')
    const names = (): string[] =>
      readdirSync(stored).filter(
        (name) =>
          /^[0-9a-f]{64}$/.test(name) &&
          existsSync(path.join(stored, name, 'info.json')) &&
          readFileSync(path.join(stored, name, 'info.json'), 'utf8').includes('"name": "fit"'),
      )
    const old = names()
    assert.ok(old.length > 1)
    const yesterday = new Date(Date.now() - 25 * 60 * 60 * 1000)
    for (const name of old) utimesSync(path.join(stored, name), yesterday, yesterday)
    await fit(regressor(), x, numbers, { ...QUIET, workers: 1 })
    assert.equal(names().length, 1)
  })
})

describe('the program of the guide', () => {
  it('trains its model', () => {
    const page = readFileSync(path.join(packageRoot, 'docs', 'guides', 'fit.md'), 'utf8')
    const program = /```js\n([^]*?)```/.exec(page)![1]!
    const project = path.join(scratch, 'project')
    mkdirSync(path.join(project, 'node_modules', '@tensorflow'), { recursive: true })
    symlinkSync(packageRoot, path.join(project, 'node_modules', 'convoy'))
    const installed = path.join('node_modules', '@tensorflow', 'tfjs')
    symlinkSync(path.join(packageRoot, installed), path.join(project, installed))
    writeFileSync(path.join(project, 'train.mjs'), program)
    const output = execFileSync(process.execPath, ['train.mjs'], { cwd: project, encoding: 'utf8', stdio: 'pipe' })
    const [, accuracy] = /validation accuracy ([\d.]+)/.exec(output)!
    assert.ok(Number(accuracy) > 0.9, output)
  })
})
