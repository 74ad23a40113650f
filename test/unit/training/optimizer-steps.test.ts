import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Optimizer } from '@tensorflow/tfjs'
import * as tf from '@tensorflow/tfjs'
import { applyGradient } from '../../../src/training/apply-gradient.js'
import { learningRate } from '../../../src/training/schedules/schedules.js'
import { createOptimizer, numbersAfter, update } from '../../../src/training/optimizers/optimizer.js'
import { optimizerSchema } from '../../../src/training/optimizers/optimizers.js'
import type { ParameterLayout } from '../../../src/model/parameter-layout.js'
import type { RunConfig } from '../../../src/model/config/run-config.js'
import { runConfigSchema } from '../../../src/model/config/run-config.js'

const layout: ParameterLayout = {
  tensors: [
    {
      name: 'kernel',
      shape: [1, 2],
      offset: 0,
      size: 2,
      trainable: true,
      l2: 0.1,
      initializer: { kind: 'constant', value: 0 },
    },
    {
      name: 'bias',
      shape: [1],
      offset: 2,
      size: 1,
      trainable: true,
      l2: 0,
      initializer: { kind: 'constant', value: 0 },
    },
    {
      name: 'mean',
      shape: [1],
      offset: 3,
      size: 1,
      trainable: false,
      l2: 0,
      initializer: { kind: 'constant', value: 0 },
    },
  ],
  trainableCount: 3,
  weightCount: 4,
  statisticsMomentum: 0.9,
}

function config(changes: Partial<RunConfig> = {}): RunConfig {
  return {
    ...runConfigSchema.parse({
      network: { name: 'resnet8' },
      batchSize: 4,
      shardSize: 2,
      epochs: 1,
      optimizer: { kind: 'sgd', momentum: 0.5, nesterov: true },
      schedule: { kind: 'step', initial: 0.1, milestones: [] },
      augmentation: {},
    }),
    ...changes,
  }
}

function closeTo(actual: Float32Array, expected: number[], limit = 1e-6): void {
  for (const [index, value] of expected.entries()) {
    assert.ok(Math.abs(actual[index]! - value) < limit, `element ${index}: ${actual[index]} instead of ${value}`)
  }
}

test('one step agrees with a calculation by hand: batch mean, L2 on kernels only, Nesterov momentum, moving statistics', () => {
  const weights = Float32Array.of(1, -2, 3, 10)
  // Sums over 4 samples (2 shards): gradients 1, 2, 4; statistics 12 over 2 shards; loss 8; 3 correct.
  const sum = Float32Array.of(4, 8, 16, 12, 8, 3)
  const optimizer = createOptimizer(config().optimizer, layout)
  const outcome = applyGradient({ weights, optimizer, step: 0 }, sum, layout, config(), 10)
  // g = mean + 2·l2·w = [1.2, 1.6, 4]; v = g; w -= 0.1·(g + 0.5·v) = 0.15·g
  closeTo(weights, [1 - 0.18, -2 - 0.24, 3 - 0.6, 0.9 * 10 + 0.1 * 6])
  assert.equal(outcome?.loss, 2)
  assert.equal(outcome.accuracy, 0.75)
  assert.ok(Math.abs(outcome.gradientNorm - Math.hypot(1.2, 1.6, 4)) < 1e-6)
})

test('clipping scales the gradient to the given norm', () => {
  const weights = Float32Array.of(0, 0, 0, 0)
  const clipped = config({ clipNorm: 0.5, optimizer: { kind: 'sgd', momentum: 0, nesterov: false } })
  const optimizer = createOptimizer(clipped.optimizer, layout)
  applyGradient({ weights, optimizer, step: 0 }, Float32Array.of(12, 16, 0, 0, 0, 0), layout, clipped, 1)
  closeTo(weights, [-0.1 * 0.3, -0.1 * 0.4, 0])
})

test('clipping leaves a gradient at or below the given norm unchanged', () => {
  for (const optimizer of [
    { kind: 'sgd', momentum: 0.9, nesterov: true },
    { kind: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.05 },
  ] as const) {
    const after = (clipNorm: number | null): Float32Array => {
      const weights = Float32Array.of(0, 0, 0, 0)
      // The norm is 5 exactly.
      const sum = Float32Array.of(12, 16, 0, 0, 0, 0)
      const settings = config({ clipNorm, optimizer })
      applyGradient({ weights, optimizer: createOptimizer(optimizer, layout), step: 0 }, sum, layout, settings, 1)
      return weights
    }
    for (const clipNorm of [5, 5.000_001, 6, 1e6]) assert.deepEqual(after(clipNorm), after(null), String(clipNorm))
    assert.notDeepEqual(after(4.999), after(null))
  }
})

test('a non-finite gradient changes nothing', () => {
  const weights = Float32Array.of(1, 2, 3, 4)
  const optimizer = createOptimizer(config().optimizer, layout)
  assert.equal(
    applyGradient({ weights, optimizer, step: 0 }, Float32Array.of(1, NaN, 1, 1, 1, 1), layout, config(), 1),
    undefined,
  )
  assert.equal(
    applyGradient({ weights, optimizer, step: 0 }, Float32Array.of(1, 1, 1, 1, Infinity, 1), layout, config(), 1),
    undefined,
  )
  assert.deepEqual(weights, Float32Array.of(1, 2, 3, 4))
})

test('AdamW follows algorithm 2 of Loshchilov and Hutter over three steps', () => {
  const adam = { kind: 'adamw', beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.1 } as const
  const optimizer = createOptimizer(adam, layout)
  const weights = Float32Array.of(1, -2, 3, 0)
  const expected = [1, -2, 3]
  const m = [0, 0, 0]
  const v = [0, 0, 0]
  for (let t = 1; t <= 3; t++) {
    const gradient = [0.5 * t, -1, 0.25]
    update(optimizer.step(0.01), weights, Float32Array.from(gradient), 1, 0, 3)
    for (const [index, g] of gradient.entries()) {
      m[index] = 0.9 * m[index]! + 0.1 * g
      v[index] = 0.99 * v[index]! + 0.01 * g * g
      const decay = index < 2 ? 0.1 : 0
      const adaptive = m[index]! / (1 - 0.9 ** t) / (Math.sqrt(v[index]! / (1 - 0.99 ** t)) + 1e-8)
      expected[index] = expected[index]! - 0.01 * (adaptive + decay * expected[index]!)
    }
  }
  closeTo(weights, expected)
})

const OF_TENSORFLOW: Readonly<Record<string, [settings: object, theirs: Optimizer]>> = {
  sgd: [{ kind: 'sgd', momentum: 0.9, nesterov: false }, tf.train.momentum(0.01, 0.9)],
  'sgd, Nesterov': [{ kind: 'sgd' }, tf.train.momentum(0.01, 0.9, true)],
  adamw: [{ kind: 'adamw', epsilon: 1e-7, weightDecay: 0 }, tf.train.adam(0.01)],
  rmsprop: [{ kind: 'rmsprop' }, tf.train.rmsprop(0.01)],
  'rmsprop, centered': [
    { kind: 'rmsprop', decay: 0.8, momentum: 0.5, epsilon: 1e-4, centered: true },
    tf.train.rmsprop(0.01, 0.8, 0.5, 1e-4, true),
  ],
  adagrad: [{ kind: 'adagrad' }, tf.train.adagrad(0.01)],
  'adagrad, another beginning': [{ kind: 'adagrad', initialAccumulatorValue: 2 }, tf.train.adagrad(0.01, 2)],
  adadelta: [{ kind: 'adadelta' }, tf.train.adadelta(0.01)],
  'adadelta, larger epsilon': [{ kind: 'adadelta', rho: 0.5, epsilon: 0.1 }, tf.train.adadelta(0.01, 0.5, 0.1)],
  adamax: [{ kind: 'adamax' }, tf.train.adamax(0.01)],
  'adamax, decay': [
    { kind: 'adamax', beta1: 0.8, beta2: 0.9, epsilon: 0.1, decay: 0.5 },
    tf.train.adamax(0.01, 0.8, 0.9, 0.1, 0.5),
  ],
}

for (const [name, [settings, theirs]] of Object.entries(OF_TENSORFLOW))
  test(`thirty steps are those of TensorFlow.js: ${name}`, () => {
    const optimizer = createOptimizer(optimizerSchema.parse(settings), layout)
    const weights = Float32Array.of(1, -2, 3, 0)
    const variable = tf.variable(tf.tensor1d([1, -2, 3]))
    for (let step = 0; step < 30; step++) {
      const gradient = [0.5 - 0.1 * (step % 7), step % 2 === 0 ? -1 : 2, 0.25 / (1 + (step % 5))]
      update(optimizer.step(0.01), weights, Float32Array.from(gradient), 1, 0, 3)
      theirs.applyGradients([{ name: variable.name, tensor: tf.tensor1d(gradient) }])
    }
    // TensorFlow.js computes in float32.
    closeTo(weights, [...variable.dataSync()], 1e-5)
  })

test('centered RMSProp stays finite where the gradient is zero, unlike that of TensorFlow.js', () => {
  const optimizer = createOptimizer(optimizerSchema.parse({ kind: 'rmsprop', centered: true }), layout)
  const weights = Float32Array.of(1, -2, 3, 0)
  update(optimizer.step(0.01), weights, Float32Array.of(0, 1e-9, 1), 1, 0, 3)
  assert.deepEqual(weights.subarray(0, 2), Float32Array.of(1, -2))
  assert.ok(weights[2]! < 3)
})

test('the numbers of an optimizer after some steps are those that it computes on the way', () => {
  for (const kind of ['sgd', 'adamw', 'adamax']) {
    const settings = optimizerSchema.parse({ kind })
    const optimizer = createOptimizer(settings, layout)
    for (let step = 0; step < 100; step++) optimizer.step(0.01)
    assert.deepEqual(numbersAfter(100, settings), optimizer.state.numbers)
  }
})

test('schedules have the documented start, peak and end', () => {
  const total = 101
  const oneCycle = { kind: 'one-cycle', peak: 2, warmup: 0.3, initial: 0.1, final: 0.01 } as const
  assert.ok(Math.abs(learningRate(oneCycle, 0, total) - 0.2) < 1e-12)
  assert.ok(Math.abs(learningRate(oneCycle, 30, total) - 2) < 1e-12)
  assert.ok(Math.abs(learningRate(oneCycle, 100, total) - 0.02) < 1e-12)
  const cosine = { kind: 'cosine', peak: 1, warmup: 0.1, final: 0 } as const
  assert.ok(learningRate(cosine, 0, total) > 0 && learningRate(cosine, 0, total) < 0.2)
  assert.ok(Math.abs(learningRate(cosine, 55, total) - 0.5) < 1e-12)
  assert.ok(Math.abs(learningRate(cosine, 100, total)) < 1e-12)
  const step = { kind: 'step' as const, initial: 1, milestones: [0.5, 0.75], factor: 0.1 }
  assert.deepEqual(
    [0, 49, 50, 74, 75, 100].map((at) => learningRate(step, at, total).toFixed(4)),
    ['1.0000', '1.0000', '0.1000', '0.1000', '0.0100', '0.0100'],
  )
  for (const schedule of [oneCycle, cosine, step]) assert.ok(Number.isFinite(learningRate(schedule, 0, 1)))
})
