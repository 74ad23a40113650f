import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import type { Tensor4D } from '@tensorflow/tfjs'
import { averageGradient } from '../../../src/training/average-gradient.js'
import { learningRate } from '../../../src/training/schedules/schedules.js'
import { createOptimizer, update } from '../../../src/training/optimizers/optimizer.js'
import { plannedSteps } from '../../../src/training/trainer.js'
import {
  augmentationRandom,
  augmentationSchema,
  drawTransform,
  FILL_MODES,
  TRANSFORM_LENGTH,
} from '../../../src/data/sampling/augmentation.js'
import { SampleStream } from '../../../src/data/sampling/sample-stream.js'
import { permutation, splitDataset } from '../../../src/data/sampling/split.js'
import { FusedOps } from '../../../src/tensorflow/engine/fused-ops.js'
import { loadTensorflow } from '../../../src/tensorflow/runtime/load-tensorflow.js'
import { describeModel } from '../../../src/model/describe-model.js'
import { initialWeights } from '../../../src/model/initial-weights.js'
import { buildNetwork } from '../../../src/model/networks/networks.js'
import type { ParameterLayout } from '../../../src/model/parameter-layout.js'
import { RECIPES } from '../../../src/model/config/recipes.js'
import { resolveRunConfig } from '../../../src/model/config/resolve-run-config.js'
import type { OptimizerConfig } from '../../../src/training/optimizers/optimizers.js'
import { optimizerSchema } from '../../../src/training/optimizers/optimizers.js'
import { weightsSha256 } from '../../../src/model/weights-sha256.js'
import { packageRoot } from '../../../src/shared/package-root.js'
import { KeyedRandom, philox, PURPOSE } from '../../../src/shared/philox.js'
import { ReductionTree } from '../../../src/shared/reduction-tree.js'
import { sineAndCosine } from '../../../src/shared/trigonometry.js'

const SEED = 7
const PAGE = path.join(packageRoot, 'docs', 'reference', 'semantics.md')

/** The rows of the page's table: name, and value as JSON. */
function vectorsOnPage(): Map<string, unknown> {
  const [, table] = /<!-- vectors -->(.*)<!-- \/vectors -->/s.exec(readFileSync(PAGE, 'utf8'))!
  const rows = [...table!.matchAll(/^\| (\S.*?) +\| `([^`]*)` +\|$/gm)]
  return new Map(rows.map(([, what, value]) => [what!, JSON.parse(value!) as unknown]))
}

/** Nine digits identify a float32. */
function float32s(values: Iterable<number>): number[] {
  return Array.from(values, (value) => Number(value.toPrecision(9)))
}

function philoxWords(key: [number, number], counter: [number, number, number, number]): number[] {
  const out = new Uint32Array(4)
  philox(out, ...key, ...counter)
  return [...out]
}

const labels = (count: number): Uint16Array => Uint16Array.from({ length: count }, (_, sample) => sample % 3)
const split = splitDataset({ count: 60_000, labels: labels(60_000) }, SEED, false)
const stratified = splitDataset({ count: 20, labels: labels(20) }, SEED, true)
const stream = new SampleStream(split.train, SEED)
const shuffle = new KeyedRandom(SEED, PURPOSE.shuffle)

/** A transform of epoch 0. */
function transform(sample: number, size: number, changes: object = {}): Float32Array {
  const out = new Float32Array(TRANSFORM_LENGTH)
  const image = { height: size, width: size }
  drawTransform(out, 0, augmentationSchema.parse(changes), image, augmentationRandom(SEED), 0, sample)
  return out
}

const { tf } = loadTensorflow()
const ops = new FusedOps(tf)

/** Row 0 of a 4x4 image with pixels 0, 1/16, …, augmented with transforms that reach far outside. */
function augmented(fillMode: (typeof FILL_MODES)[number]): number[] {
  return tf.tidy(() => {
    const image = tf.range(0, 16).div(16).reshape([1, 4, 4, 1]) as Tensor4D
    const transforms = tf.tensor2d(transform(19, 4, { rotationDegrees: 180, zoom: 0.9 }), [1, TRANSFORM_LENGTH])
    return float32s(ops.projectiveTransform(image, transforms, fillMode).dataSync().subarray(0, 4))
  })
}

/** Indices of the first 16 elements that dropout keeps at a rate of 0.2. */
function keptByDropout(step: number, shard: number, layer: number): number[] {
  return tf.tidy(() => {
    const [key0, key1] = new KeyedRandom(SEED, PURPOSE.dropout).words(step, shard)
    const key = tf.tensor1d(Int32Array.from([key0! | 0, (key1! + layer) | 0]), 'int32')
    return Array.from(ops.dropout(tf.ones([16]), 0.2, key).dataSync(), (value) => Number(value > 0))
  })
}

const { layout } = describeModel(await buildNetwork({ name: 'resnet8', reg: 0, dropoutRate: 0 }, [32, 32, 3], 10))
const weights = initialWeights(layout, SEED)
const firstThree = (name: string): number[] => {
  const { offset } = layout.tensors.find((tensor) => tensor.name === name)!
  return float32s(weights.subarray(offset, offset + 3))
}

/** One kernel of one weight 0.5 after each of two steps with gradient 0.3, clipped to a half. */
function twoSteps(config: OptimizerConfig): number[] {
  const initializer = { kind: 'constant', value: 0 } as const
  const kernel = { name: 'kernel', shape: [1, 1], offset: 0, size: 1, trainable: true, l2: 0, initializer }
  const one: ParameterLayout = { tensors: [kernel], trainableCount: 1, weightCount: 1, statisticsMomentum: 0.9 }
  const optimizer = createOptimizer(config, one)
  const weight = Float32Array.of(0.5)
  return [0, 1].flatMap(() => {
    update(optimizer.step(0.1), weight, Float32Array.of(0.3), 0.5, 0, 1)
    return float32s(weight)
  })
}

/** @param rounded whether every node is rounded to bfloat16 */
function treeSum(values: number[], rounded: boolean): number[] {
  const tree = new ReductionTree(values.length, Number(rounded))
  return float32s(values.map((value, shard) => tree.addShard(shard, Float32Array.of(value))).at(-1)!)
}

function regularised(): number[] {
  const sum = Float32Array.of(12.8)
  const tensor = { offset: 0, size: 1, l2: 0.0001, decays: true }
  averageGradient(sum, Float32Array.of(0.5), 128, [tensor], 1)
  return float32s(sum)
}

/** Learning rates of a recipe on 42,000 training images, at some steps. */
function rates(recipe: string): Record<string, number> {
  const { schedule, epochs, batchSize } = resolveRunConfig({ name: recipe, origin: recipe }, []).config!
  const steps = plannedSteps(epochs, 42_000, batchSize)
  const shown = [0, 1, Math.floor(steps / 10), Math.floor(steps / 2), steps - 1]
  return Object.fromEntries(shown.map((step) => [step, learningRate(schedule, step, steps)]))
}

const computed: Record<string, unknown> = {
  'philox, key (0, 0), counter (0, 0, 0, 0)': philoxWords([0, 0], [0, 0, 0, 0]),
  'philox, key (7, 3), counter (41999, 0, 0, 0)': philoxWords([7, 3], [41_999, 0, 0, 0]),
  'permutation(42000, shuffle, stream 0), first ten': [...permutation(42_000, shuffle, 0).subarray(0, 10)],
  'permutation(42000, shuffle, stream 1), first ten': [...permutation(42_000, shuffle, 1).subarray(0, 10)],
  'split of n = 60000, first six of train': [...split.train.subarray(0, 6)],
  'split of n = 60000, first six of validation': [...split.validation.subarray(0, 6)],
  'split of n = 60000, first six of test': [...split.test.subarray(0, 6)],
  'n = 20, label i mod 3, stratified: validation': [...stratified.validation],
  'n = 20, label i mod 3, stratified: test': [...stratified.test],
  'n = 60000: step 0, shard 0 of 32 (B = 128), first six samples': [
    ...stream.shard(0, 0, 128, 32).samples.subarray(0, 6),
  ],
  'n = 60000: step 328, shard 0: epochs of samples 0, 15, 16, 31': [0, 15, 16, 31].map(
    (index) => stream.shard(328, 0, 128, 32).epochs[index],
  ),
  'sin(1), cos(1)': Object.values(sineAndCosine(1)),
  'words(augment, stream 0, item 3)': [...new KeyedRandom(SEED, PURPOSE.augment).words(0, 3)],
  'transform of sample 3, epoch 0, 32x32, defaults: a0 a1 a2': float32s(transform(3, 32).subarray(0, 3)),
  'the same: b0 b1 b2': float32s(transform(3, 32).subarray(3, 6)),
  ...Object.fromEntries(
    FILL_MODES.map((mode) => [
      `4x4 image of k / 16, sample 19, epoch 0, rotationDegrees 180, zoom 0.9, ${mode}: row 0`,
      augmented(mode),
    ]),
  ),
  'words(dropout, stream 0, item 1), words 0 and 1': [
    ...new KeyedRandom(SEED, PURPOSE.dropout).words(0, 1).subarray(0, 2),
  ],
  'dropout 0.2, step 0, shard 1, layer 0: 1 is kept, first 16': keptByDropout(0, 1, 0),
  'dropout 0.2, step 0, shard 1, layer 2: 1 is kept, first 16': keptByDropout(0, 1, 2),
  'resnet8, 3 channels, 10 classes: lengths of trainable and of weights': [layout.trainableCount, layout.weightCount],
  'resnet8: stem_conv/kernel, first three': firstThree('stem_conv/kernel'),
  'resnet8: stage1_block1_conv1/kernel (index 3), first three': firstThree('stage1_block1_conv1/kernel'),
  'resnet8: logits/kernel (index 21), first three': firstThree('logits/kernel'),
  'resnet8: sha256 of the initial weights': weightsSha256(weights),
  'tree over 100000000, 1, -100000000, 3, 5 (float32)': treeSum([1e8, 1, -1e8, 3, 5], false)[0],
  'tree over 1.01171875, 0.3, 0.7, -3.1, 0.0123 (wire bfloat16)': treeSum(
    [1.01171875, 0.3, 0.7, -3.1, 0.0123],
    true,
  )[0],
  'g of sum 12.8 (float32), B 128, reg 0.0001, w 0.5': regularised(),
  'sgd 0.9, w 0.5 after two steps of g 0.3, c 0.5, rate 0.1': twoSteps({ kind: 'sgd', momentum: 0.9, nesterov: false }),
  'the same with nesterov': twoSteps({ kind: 'sgd', momentum: 0.9, nesterov: true }),
  'the same with adamw, defaults (a kernel)': twoSteps({
    kind: 'adamw',
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weightDecay: 0.05,
  }),
  'the same with rmsprop, defaults': twoSteps(optimizerSchema.parse({ kind: 'rmsprop' })),
  'the same with rmsprop, momentum 0.5, centered': twoSteps(
    optimizerSchema.parse({ kind: 'rmsprop', momentum: 0.5, centered: true }),
  ),
  ...Object.fromEntries(
    ['adagrad', 'adadelta', 'adamax'].map((kind) => [
      `the same with ${kind}, defaults`,
      twoSteps(optimizerSchema.parse({ kind })),
    ]),
  ),
  ...Object.fromEntries(
    Object.keys(RECIPES).map((recipe) => [`rates of ${recipe}, n_train 42000, by step s`, rates(recipe)]),
  ),
}

test('the code computes the test vectors of docs/reference/semantics.md', () => {
  assert.deepEqual(Object.fromEntries(vectorsOnPage()), computed)
})

/** A row of the page's table of recipes, from the code. */
function recipeRow(recipe: string): string[] {
  const { network, batchSize, shardSize, epochs, optimizer, schedule, labelSmoothing, augmentation } = resolveRunConfig(
    { name: recipe, origin: recipe },
    [],
  ).config!
  assert.deepEqual(augmentation, augmentationSchema.parse({ horizontalFlip: true, rotationDegrees: 20, zoom: 0.1 }))
  const warmup = (isDefault: boolean): string =>
    'warmup' in schedule && !isDefault ? `, warmup ${schedule.warmup}` : ''
  return [
    ...[recipe, network.name, network.reg, network.dropoutRate, `${batchSize} / ${shardSize}`, epochs].map(String),
    optimizer.kind === 'sgd'
      ? `sgd ${optimizer.momentum}, ${optimizer.nesterov ? 'Nesterov' : 'not Nesterov'}`
      : `${optimizer.kind}, weightDecay ${'weightDecay' in optimizer ? optimizer.weightDecay : 'none'}`,
    schedule.kind === 'step'
      ? `step, initial ${schedule.initial}`
      : `${schedule.kind}, peak ${schedule.peak}${warmup(schedule.kind === 'one-cycle' && schedule.warmup === 0.25)}`,
    String(labelSmoothing),
  ]
}

test('the recipes of docs/reference/semantics.md are those of the code', () => {
  const [, table] = /^\| recipe .*\n\| -.*\n((?:\|.*\n)+)/m.exec(readFileSync(PAGE, 'utf8'))!
  const rows = table!
    .trimEnd()
    .split('\n')
    .map((row) =>
      row
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
  const shown = rows.map((row) => row.map((cell) => (/^[\d.]+$/.test(cell) ? String(Number(cell)) : cell)))
  assert.deepEqual(shown, Object.keys(RECIPES).map(recipeRow))
})
