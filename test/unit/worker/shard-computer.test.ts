import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { Images } from '../../../src/data/dataset.js'
import { splitDataset } from '../../../src/data/sampling/split.js'
import { createEngine } from '../../../src/tensorflow/engine/create-engine.js'
import { engineOptions } from '../../../src/tensorflow/engine/engine.js'
import { PhaseTimes } from '../../../src/metrics/phases.js'
import { describeModel } from '../../../src/model/describe-model.js'
import { buildNetwork } from '../../../src/model/networks/networks.js'
import { runConfigSchema } from '../../../src/model/config/run-config.js'
import { bytesOf } from '../../../src/shared/bytes-of.js'
import { philox } from '../../../src/shared/philox.js'
import { ShardComputer } from '../../../src/worker/shard-computer.js'
import { augmented, forward, imagesOf, logSoftmax } from '../../support/plain-network.js'
import { PlainRun } from '../../support/plain-run.js'

const CLASSES = 4
const RATE = 0.3
const SMOOTHING = 0.2
const SHAPE = [10, 9, 3] as const

/** 41 images of noise: 28 to train on, 7 for validation, 6 for the test. */
const dataset = noiseImages(41)
const config = runConfigSchema.parse({
  ...{ network: { name: 'wide8', dropoutRate: RATE }, batchSize: 10, shardSize: 5, epochs: 3, seed: 11 },
  ...{ optimizer: { kind: 'sgd' }, schedule: { kind: 'one-cycle', peak: 0.1 } },
  ...{ augmentation: { rotationDegrees: 40, zoom: 0.3 }, labelSmoothing: SMOOTHING, evaluationShardSize: 4 },
})
const network = await buildNetwork(config.network, [...SHAPE], CLASSES)
const model = describeModel(network)
network.dispose()
const { layout } = model
const plain = new PlainRun(config, dataset)
const engine = await createEngine(engineOptions({ config, model }))
const computer = new ShardComputer({ config, model, dataset }, dataset, engine, new PhaseTimes())

/** Unlike initial weights, whose gammas of 1 and means of 0 would hide swapped values. */
const weights = plain.initialWeights(layout)
for (const { name, offset, size } of layout.tensors)
  for (let index = 0; index < size; index++)
    if (!name.endsWith('/kernel')) weights[offset + index]! += 0.1 * Math.sin(1 + index + offset)

function noiseImages(count: number): Images {
  const words = new Uint32Array(4)
  const pixels = Uint8Array.from({ length: count * SHAPE[0] * SHAPE[1] * SHAPE[2] }, (_, index) => {
    if (index % 4 === 0) philox(words, 5, 5, index / 4, 0, 0, 0)
    return words[index % 4]!
  })
  const labels = Uint16Array.from({ length: count }, (_, index) => (index * 3 + Math.floor(index / 5)) % CLASSES)
  const [height, width, channels] = SHAPE
  const classNames = ['a', 'b', 'c', 'd']
  return { name: 'noise', fingerprint: 'noise', count, height, width, channels, classNames, pixels, labels }
}

/** The shard's vector from an engine with the inputs of semantics.md. */
function direct(step: number, shard: number, changes: object = {}): Float32Array {
  return engine.gradient({ ...plain.gradientInput(step, shard), ...changes })
}

function closeTo(actual: number, expected: number, tolerance: number, what: string): void {
  assert.ok(
    Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected)),
    `${what}: ${actual}, not ${expected}`,
  )
}

engine.setWeights(weights)
after(() => {
  engine.close()
})

describe('a shard computed by a worker', () => {
  // Shard 1 of step 2 begins in the first epoch and ends in the second; step 6 is in the third.
  const SHARDS = [[0, 0], [0, 1], [2, 0], [2, 1], [3, 0], [6, 1], [1, 1]] as const // prettier-ignore
  for (const [step, shard] of SHARDS) {
    it(`has the samples, transforms and dropout masks of semantics.md: step ${step}, shard ${shard}`, () => {
      assert.ok(bytesOf(computer.gradient(step, shard)).equals(bytesOf(direct(step, shard))))
    })
  }

  it('differs with inputs of another epoch, step or shard', () => {
    assert.deepEqual([...new Set(plain.samples(2, 1).map(({ epoch }) => epoch))], [0, 1])
    assert.deepEqual([...new Set(plain.samples(6, 1).map(({ epoch }) => epoch))], [2])
    const exact = bytesOf(direct(2, 1))
    const first = plain.samples(2, 1).map(({ sample }) => sample)
    const inEpoch0 = Float32Array.from(first.flatMap((sample) => plain.transform(sample, 0)))
    for (const changes of [
      { transforms: inEpoch0 },
      { dropoutKey: plain.gradientInput(2, 0).dropoutKey },
      { dropoutKey: plain.gradientInput(1, 1).dropoutKey },
      plain.gather(plain.samples(2, 0).map(({ sample }) => sample)),
    ])
      assert.ok(!bytesOf(direct(2, 1, changes)).equals(exact), Object.keys(changes).join())
  })

  it('has the loss, count, statistics and gradient of the plain network', () => {
    const [step, shard] = [2, 1]
    const vector = computer.gradient(step, shard)
    const { inputs, targets, transforms } = plain.gradientInput(step, shard)
    const [w0, w1] = plain.words('dropout', step, shard)
    const images = augmented(imagesOf(inputs[0] as Uint8Array, SHAPE), transforms)
    const training = { dropoutRate: RATE, dropoutWords: [w0, w1] } as const
    const run = (at: ArrayLike<number>): ReturnType<typeof forward> => forward(layout, at, images, { training })
    const labels = targets[0]!
    const smoothed = Array.from(labels, (label) =>
      Array.from({ length: CLASSES }, (_, k) => (k === label ? 1 - SMOOTHING : 0) + SMOOTHING / CLASSES),
    )
    const lossOf = (logits: readonly number[][]): number =>
      logits.reduce(
        (sum, row, n) => sum - logSoftmax(row).reduce((total, value, k) => total + smoothed[n]![k]! * value, 0),
        0,
      )

    const { logits, pooled, statistics } = run(weights)
    const loss = lossOf(logits)
    closeTo(vector[layout.weightCount]!, loss, 1e-5, 'loss')
    const correct = logits.filter((row, n) => row.indexOf(Math.max(...row)) === labels[n]).length
    assert.equal(vector[layout.weightCount + 1], correct)
    for (const { name, offset } of layout.tensors.filter(({ trainable }) => !trainable))
      for (const [c, value] of statistics.get(name)!.entries())
        closeTo(vector[offset + c]!, value, 1e-4, `${name} ${c}`)

    // The gradient of the last layer by its formula, all others by slopes of the loss.
    const errors = logits.map((row, n) => logSoftmax(row).map((value, k) => Math.exp(value) - smoothed[n]![k]!))
    const place = (name: string): number => layout.tensors.find((tensor) => tensor.name === name)!.offset
    for (let k = 0; k < CLASSES; k++) {
      const bias = errors.reduce((sum, row) => sum + row[k]!, 0)
      closeTo(vector[place('logits/bias') + k]!, bias, 1e-4, `bias ${k}`)
      for (let c = 0; c < pooled[0]!.length; c += 7) {
        const slope = errors.reduce((sum, row, n) => sum + row[k]! * pooled[n]![c]!, 0)
        closeTo(vector[place('logits/kernel') + c * CLASSES + k]!, slope, 1e-4, `kernel ${c} ${k}`)
      }
    }
    const gradient = vector.subarray(0, layout.trainableCount)
    const scale = 1e-5 / Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0))
    for (const direction of [gradient, gradient.map((value, index) => Math.abs(value) * Math.sin(index))]) {
      const lossAt = (distance: number): number =>
        lossOf(run(Float64Array.from(weights, (weight, t) => weight + distance * (direction[t] ?? 0))).logits)
      const slope = (lossAt(scale) - lossAt(-scale)) / (2 * scale)
      const expected = direction.reduce((sum, value, t) => sum + value * gradient[t]!, 0)
      const size = direction.reduce((sum, value) => sum + value * value, 0)
      assert.ok(Math.abs(slope - expected) < 1e-3 * size, `slope ${expected}, not ${slope}`)
    }
  })
})

describe('an evaluation computed by a worker', () => {
  for (const [split, samples] of [
    ['validation', plain.validation],
    ['test', plain.test],
  ] as const) {
    it(`has the counts of the plain network on the ${split} split`, () => {
      for (let shard = 0; shard * 4 < samples.length; shard++) {
        const vector = computer.evaluate(split, shard)
        const chosen = samples.slice(shard * 4, shard * 4 + 4)
        const {
          inputs,
          targets: [labels],
        } = plain.gather(chosen)
        const { logits } = forward(layout, weights, imagesOf(inputs[0] as Uint8Array, SHAPE), {})
        const confusion = new Array<number>(CLASSES ** 2).fill(0)
        logits.forEach((row, n) => confusion[labels![n]! * CLASSES + row.indexOf(Math.max(...row))]!++)
        assert.deepEqual([...vector.subarray(0, CLASSES ** 2)], confusion)
        const loss = logits.reduce((sum, row, n) => sum - logSoftmax(row)[labels![n]!]!, 0)
        closeTo(vector[CLASSES ** 2]!, loss, 1e-5, 'loss')
      }
    })
  }

  it('uses the stratified split when the run stratifies', () => {
    // Nearly all images have one label: without stratification the shares of the others differ between splits.
    const labels = dataset.labels.map((_, sample) => (sample % 9 === 0 ? 2 : 0))
    const changed = { ...dataset, labels }
    const stratified = new ShardComputer(
      { config: { ...config, stratified: true }, model, dataset },
      changed,
      engine,
      new PhaseTimes(),
    )
    for (const split of ['validation', 'test'] as const) {
      const samples = splitDataset(changed, config.seed, true)[split].subarray(0, 4)
      const { inputs } = plain.gather([...samples])
      const expected = engine.evaluate({ inputs, targets: [Int32Array.from(samples, (sample) => labels[sample]!)] })
      assert.deepEqual(stratified.evaluate(split, 0), expected)
    }
  })

  it('counts labels in rows, and predicts the first of equal logits', () => {
    const { offset: kernel, size } = layout.tensors.find(({ name }) => name === 'logits/kernel')!
    const { offset: bias } = layout.tensors.find(({ name }) => name === 'logits/bias')!
    // Every image has the same logits, and classes 1 and 3 the same highest.
    const tied = weights.slice().fill(0, kernel, kernel + size)
    tied.set([0, 2, 1, 2], bias)
    engine.setWeights(tied)
    const {
      targets: [labels],
    } = plain.gather(plain.validation.slice(0, 4))
    const vector = computer.evaluate('validation', 0)
    const counts = (k: number): number => labels.filter((label) => label === k).length
    const expected = [0, 1, 2, 3].flatMap((label) => [0, counts(label), 0, 0])
    assert.deepEqual([...vector.subarray(0, CLASSES ** 2)], expected)
    const shards = [0, 1, 2, 3].map((step) => [step, 0] as const)
    const labelled = (k: number): number[] =>
      shards.map((at) => plain.gradientInput(...at).targets[0]!.filter((label) => label === k).length)
    assert.notDeepEqual(labelled(1), labelled(3))
    assert.deepEqual(
      shards.map((at) => computer.gradient(...at)[layout.weightCount + 1]),
      labelled(1),
    )
    engine.setWeights(weights)
  })
})
