import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import * as tfjs from '@tensorflow/tfjs'
import { applyGradient } from '../../../src/training/apply-gradient.js'
import { createOptimizer } from '../../../src/training/optimizers/optimizer.js'
import { createEngine } from '../../../src/tensorflow/engine/create-engine.js'
import type { Engine } from '../../../src/tensorflow/engine/engine.js'
import { engineOptions } from '../../../src/tensorflow/engine/engine.js'
import { describeModel } from '../../../src/model/describe-model.js'
import { initialWeights } from '../../../src/model/initial-weights.js'
import { buildNetwork } from '../../../src/model/networks/networks.js'
import type { ModelDescription } from '../../../src/model/parameter-layout.js'
import type { RunConfig } from '../../../src/model/config/run-config.js'
import { runConfigSchema } from '../../../src/model/config/run-config.js'
import { philox } from '../../../src/shared/philox.js'
import { ReductionTree } from '../../../src/shared/reduction-tree.js'

/** Odd, so that strided convolutions are symmetric. */
const SIDE = 9
const CLASSES = 4
const SHARD = 32
const TRAINED = 64
const TESTED = 400
const EVALUATED = 100
const IDENTITY = [1, 0, 0, 0, 1, 0, 0, 0]
/** Output pixel x reads input pixel SIDE - 1 - x. */
const MIRROR = [-1, 0, SIDE - 1, 0, 1, 0, 0, 0]

interface Images {
  readonly pixels: Uint8Array
  readonly labels: Int32Array
}

const config = runConfigSchema.parse({
  ...{ network: { name: 'resnet8' }, batchSize: TRAINED, shardSize: SHARD, epochs: 40, evaluationShardSize: EVALUATED },
  ...{ optimizer: { kind: 'sgd' }, schedule: { kind: 'one-cycle', peak: 0.2 }, augmentation: {} },
})
const network = await buildNetwork(config.network, [SIDE, SIDE, 1], CLASSES)
const model = describeModel(network)
network.dispose()
const { layout } = model
const initial = initialWeights(layout, 5)
const engine = await engineOf(model, config)
/** Engines that are still open. */
const engines = [engine]
after(() => {
  for (const one of engines) one.close()
})

async function engineOf(description: ModelDescription, settings: RunConfig): Promise<Engine> {
  return createEngine(engineOptions({ config: settings, model: description }))
}

/** Noise with unrelated labels. */
function noise(count: number, from: number): Images {
  const words = new Uint32Array(4)
  const drawn = Array.from({ length: count * (SIDE * SIDE + 1) }, (_, index) => {
    if (index % 4 === 0) philox(words, from, 9, index / 4, 0, 0, 0)
    return words[index % 4]! >>> 8
  })
  const pixels = Uint8Array.from(drawn.slice(count))
  return { pixels, labels: Int32Array.from(drawn.slice(0, count), (word) => word % CLASSES) }
}

function part({ pixels, labels }: Images, first: number, count: number): Images {
  const size = pixels.length / labels.length
  return {
    pixels: pixels.slice(first * size, (first + count) * size),
    labels: labels.slice(first, first + count),
  }
}

function gradientOf(
  images: Images,
  weights: Float32Array,
  transform = IDENTITY,
  by = engine,
): Float32Array<ArrayBuffer> {
  by.setWeights(weights)
  const transforms = Float32Array.from(Array.from(images.labels, () => transform).flat())
  return by.gradient({ inputs: [images.pixels], targets: [images.labels], transforms, dropoutKey: [0, 0] })
}

/** Confusion by row, then the loss sum. */
function evaluationOf(images: Images, weights: Float32Array): number[] {
  engine.setWeights(weights)
  const total = new Array<number>(CLASSES * CLASSES + 1).fill(0)
  for (let first = 0; first < images.labels.length; first += EVALUATED) {
    const { pixels, labels } = part(images, first, EVALUATED)
    const vector = engine.evaluate({ inputs: [pixels], targets: [labels] })
    for (const [index, value] of vector.entries()) total[index]! += value
  }
  return total
}

function correctIn(evaluation: readonly number[]): number {
  return [0, 1, 2, 3].reduce((sum, label) => sum + evaluation[label * CLASSES + label]!, 0)
}

function sumOf(vectors: readonly Float32Array<ArrayBuffer>[]): Float32Array {
  const tree = new ReductionTree(vectors.length)
  return vectors.map((vector, shard) => tree.add(shard, 1, vector.slice())).at(-1)!
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length)
  return Array.from(a, (value, index) => Math.abs(value - b[index]!)).reduce((most, one) => Math.max(most, one), 0)
}

const trainedOn = noise(TRAINED, 1)

/** All images in each of 40 steps. */
function learned(): Float32Array {
  const weights = initial.slice()
  const optimizer = createOptimizer(config.optimizer, layout)
  for (let step = 0; step < 40; step++) {
    const shards = [0, SHARD].map((first) => gradientOf(part(trainedOn, first, SHARD), weights))
    assert.ok(applyGradient({ weights, optimizer, step }, sumOf(shards), layout, config, 40))
  }
  return weights
}

describe('a network that trains on 64 images of noise with labels at random', () => {
  const weights = learned()

  it('memorises them', () => {
    const evaluation = evaluationOf(trainedOn, weights)
    assert.equal(correctIn(evaluation), TRAINED)
    assert.ok(evaluation.at(-1)! / TRAINED < 0.2, `loss ${evaluation.at(-1)! / TRAINED}`)
  })

  it('has chance accuracy on other images', () => {
    const correct = correctIn(evaluationOf(noise(TESTED, 2), weights))
    // Binomial with n = 400 and p = 1/4: 100 ± 48 correct. 4 in 100 million seeds would be beyond these 5.5 deviations.
    const deviations = (correct - TESTED / CLASSES) / Math.sqrt((TESTED / CLASSES) * (1 - 1 / CLASSES))
    assert.ok(Math.abs(deviations) < 5.5, `${correct} of ${TESTED} are right`)
  })

  it('has its confusion matrix permuted with its classes', () => {
    const images = noise(TESTED, 3)
    /** Old class to new. */
    const places = [2, 0, 3, 1]
    const moved = weights.slice()
    for (const name of ['logits/kernel', 'logits/bias']) {
      const { offset, size } = layout.tensors.find((tensor) => tensor.name === name)!
      for (let index = 0; index < size; index++) {
        const row = index - (index % CLASSES)
        moved[offset + row + places[index % CLASSES]!] = weights[offset + index]!
      }
    }
    const before = evaluationOf(images, weights)
    const labels = images.labels.map((label) => places[label]!)
    const afterwards = evaluationOf({ ...images, labels }, moved)
    const expected = new Array<number>(CLASSES * CLASSES).fill(0)
    for (let label = 0; label < CLASSES; label++)
      for (let prediction = 0; prediction < CLASSES; prediction++)
        expected[places[label]! * CLASSES + places[prediction]!] = before[label * CLASSES + prediction]!
    assert.deepEqual(afterwards.slice(0, -1), expected)
    assert.notDeepEqual(expected, before.slice(0, -1))
    assert.ok(Math.abs(afterwards.at(-1)! / before.at(-1)! - 1) < 1e-5)
  })
})

describe('a training step', () => {
  it('is the same when the batch is duplicated', () => {
    const shards = [0, SHARD].map((first) => gradientOf(part(trainedOn, first, SHARD), initial))
    const stepOf = (vectors: Float32Array<ArrayBuffer>[]): unknown => {
      const settings = { ...config, batchSize: vectors.length * SHARD, clipNorm: 0.5 }
      const weights = initial.slice()
      const optimizer = createOptimizer(config.optimizer, layout)
      const outcome = applyGradient({ weights, optimizer, step: 0 }, sumOf(vectors), layout, settings, 40)
      return { outcome, weights }
    }
    // Doubling is exact.
    assert.deepEqual(stepOf([...shards, ...shards]), stepOf(shards))
    assert.notDeepEqual(stepOf([shards[0]!, shards[0]!]), stepOf(shards))
  })

  it('has shards that sum to the gradient of the batch, in a network without batch norm', async () => {
    const layers = tfjs.sequential({
      layers: [
        tfjs.layers.conv2d({
          ...{ inputShape: [SIDE, SIDE, 1], filters: 4, kernelSize: 3, name: 'conv' },
          kernelInitializer: 'heUniform',
        }),
        tfjs.layers.activation({ activation: 'relu', name: 'relu' }),
        tfjs.layers.flatten({ name: 'flat' }),
        tfjs.layers.dense({ units: CLASSES, name: 'logits', kernelInitializer: 'glorotUniform' }),
        tfjs.layers.activation({ activation: 'softmax', name: 'probabilities' }),
      ],
    })
    const plain = describeModel(layers)
    layers.dispose()
    const weights = initialWeights(plain.layout, 1)
    const byShard = async (size: number): Promise<Float32Array> => {
      const sized = await engineOf(plain, { ...config, shardSize: size })
      engines.push(sized)
      const firsts = Array.from({ length: TRAINED / size }, (_, shard) => shard * size)
      return sumOf(firsts.map((first) => gradientOf(part(trainedOn, first, size), weights, IDENTITY, sized)))
    }
    const whole = await byShard(TRAINED)
    assert.ok(whole.some((value) => Math.abs(value) > 1))
    for (const size of [SHARD, 16]) assert.ok(largestDifference(await byShard(size), whole) < 1e-3)
  })
})

describe('the mirror image', () => {
  const shard = part(trainedOn, 0, SHARD)
  const turned = { ...shard, pixels: mirroredRows(shard.pixels) }

  function mirroredRows(pixels: Uint8Array): Uint8Array {
    return pixels.map((_, index) => pixels[index - (index % SIDE) + SIDE - 1 - (index % SIDE)]!)
  }

  /** Weights with every kernel mirrored horizontally. */
  function mirroredKernels(vector: Float32Array): Float32Array {
    const out = vector.slice()
    for (const { shape, offset, size } of layout.tensors.filter(({ shape: { length } }) => length === 4)) {
      const [, width, inputs, outputs] = shape as [number, number, number, number]
      const inner = inputs * outputs
      for (let index = 0; index < size; index++) {
        const column = Math.floor(index / inner) % width
        out[offset + index + (width - 1 - 2 * column) * inner] = vector[offset + index]!
      }
    }
    return out
  }

  it('is the image after a horizontal flip', () => {
    const flipped = gradientOf(shard, initial, MIRROR)
    assert.deepEqual(flipped, gradientOf(turned, initial))
    assert.deepEqual(gradientOf(turned, initial, MIRROR), gradientOf(shard, initial))
    assert.ok(largestDifference(flipped, gradientOf(shard, initial)) > 0.1)
  })

  it('has mirrored gradients in a mirrored network', () => {
    const gradient = gradientOf(shard, initial)
    const mirrored = mirroredKernels(gradient)
    assert.ok(largestDifference(mirrored, gradient) > 0.1)
    const size = gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    assert.ok(largestDifference(gradientOf(turned, mirroredKernels(initial)), mirrored) < 1e-4 * size)
  })
})
