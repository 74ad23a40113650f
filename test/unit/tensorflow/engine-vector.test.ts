import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Engine, EngineOptions } from '../../../src/tensorflow/engine/engine.js'
import { createEngine } from '../../../src/tensorflow/engine/create-engine.js'
import { loadTensorflow } from '../../../src/tensorflow/runtime/load-tensorflow.js'
import { describeModel } from '../../../src/model/describe-model.js'
import { buildNetwork } from '../../../src/model/networks/networks.js'

// A network with known results: the kernel of its logits is zero, so that the logits equal the bias, and its first convolution
// copies the red channel.

const SIDE = 8
const CLASSES = 4
const SMOOTHING = 0.1
/** Two equal maxima. */
const LOGITS = [0.5, 2, -1, 2]
const LABELS = Int32Array.of(0, 1, 1, 2, 3)
const COUNT = LABELS.length

loadTensorflow('cpu')
const network = await buildNetwork({ name: 'resnet8', reg: 0, dropoutRate: 0 }, [SIDE, SIDE, 3], CLASSES)
const model = describeModel(network)
network.dispose()
const { layout } = model
const placeOf = (name: string): number => layout.tensors.find((tensor) => tensor.name === name)!.offset

const weights = new Float32Array(layout.weightCount)
weights.set(LOGITS, placeOf('logits/bias'))
for (const { name, offset, size } of layout.tensors)
  if (/gamma|variance/.test(name)) weights.fill(1, offset, offset + size)
/** `[3, 3, 3, 16]`: the pixel itself, red, into channel 5. */
const MIDDLE_RED_TO_5 = (4 * 3 + 0) * 16 + 5
weights[placeOf('stem_conv/kernel') + MIDDLE_RED_TO_5] = 1

const pixels = Uint8Array.from({ length: COUNT * SIDE * SIDE * 3 }, (_, index) => (index * 37) % 251)
const reds = Array.from({ length: pixels.length / 3 }, (_, pixel) => pixels[3 * pixel]! / 255)
const redMean = reds.reduce((sum, red) => sum + red, 0) / reds.length
const redVariance = reds.reduce((sum, red) => sum + (red - redMean) ** 2, 0) / (reds.length - 1)

async function using<Result>(options: Partial<EngineOptions>, work: (engine: Engine) => Result): Promise<Result> {
  const sizes = {
    shardSize: COUNT,
    evaluationShardSize: COUNT,
    labelSmoothing: SMOOTHING,
    precision: 'float32',
  } as const
  const engine = await createEngine({ model, ...sizes, augment: false, fillMode: 'constant', ...options })
  engine.setWeights(weights)
  try {
    return work(engine)
  } finally {
    engine.close()
  }
}

/** Transforms that read every pixel far outside the image. */
const AWAY = Float32Array.from({ length: COUNT * 8 }, (_, index) => [1, 0, 1000, 0, 1, 0, 0, 0][index % 8]!)
const shard = { inputs: [pixels], targets: [LABELS], transforms: AWAY, dropoutKey: [0, 0] as const }

const total = LOGITS.reduce((sum, logit) => sum + Math.exp(logit), 0)
const lossOf = (label: number, smoothing: number): number =>
  LOGITS.reduce((sum, logit, k) => {
    const target = (k === label ? 1 - smoothing : 0) + smoothing / CLASSES
    return sum - target * Math.log(Math.exp(logit) / total)
  }, 0)
const lossSum = (smoothing: number): number => LABELS.reduce((sum, label) => sum + lossOf(label, smoothing), 0)

function isClose(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= 1e-5 * Math.max(1, Math.abs(expected)), `${actual} instead of ${expected}`)
}

describe('the vector of a shard', () => {
  it('has the loss with label smoothing, predicts the first of equal logits, and has unbiased variances', async () => {
    const vector = await using({}, (engine) => engine.gradient(shard))
    const [loss, correct] = vector.subarray(-2)
    isClose(loss!, lossSum(SMOOTHING))
    assert.equal(correct, 2)
    isClose(vector[placeOf('stem_bn/moving_mean') + 5]!, redMean)
    isClose(vector[placeOf('stem_bn/moving_variance') + 5]!, redVariance)
    assert.equal(vector[placeOf('stem_bn/moving_mean') + 4], 0)
    for (const [label, logit] of LOGITS.entries()) {
      const expected = LABELS.reduce((sum, right) => {
        const target = (right === label ? 1 - SMOOTHING : 0) + SMOOTHING / CLASSES
        return sum + Math.exp(logit) / total - target
      }, 0)
      isClose(vector[placeOf('logits/bias') + label]!, expected)
    }
  })

  it('is of augmented images when augmentation is on', async () => {
    const vector = await using({ augment: true }, (engine) => engine.gradient(shard))
    assert.equal(vector[placeOf('stem_bn/moving_mean') + 5], 0)
  })

  it('of an evaluation counts by label, then by prediction, and has the loss without smoothing', async () => {
    const vector = await using({}, (engine) => engine.evaluate(shard))
    const expected = [0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0]
    assert.deepEqual([...vector.subarray(0, CLASSES ** 2)], expected)
    isClose(vector.at(-1)!, lossSum(0))
  })

  it('of a prediction has probabilities', async () => {
    const probabilities = await using({}, (engine) => engine.predict([pixels]))
    for (const [label, logit] of LOGITS.entries()) isClose(probabilities[label]!, Math.exp(logit) / total)
  })
})

describe('inference', () => {
  it('normalises by the moving statistics, scale and offset of each channel, with the epsilon of the model', async () => {
    const [gamma, beta, mean, variance] = [3, 0.25, 0.125, 2e-5]
    const changed = weights.slice()
    const values = { gamma, beta, moving_mean: mean, moving_variance: variance }
    for (const [role, value] of Object.entries(values)) changed[placeOf(`stem_bn/${role}`) + 5] = value
    const output = await using({}, (engine) => {
      engine.setWeights(changed)
      return engine.activations([pixels], ['stem_relu', 'stage1_block1_out'])[0]!.values
    })
    for (const [pixel, red] of reds.entries()) {
      const expected = Math.max(0, (gamma * (red - mean)) / Math.sqrt(variance + 1.001e-5) + beta)
      isClose(output[16 * pixel + 5]! / 100, expected / 100)
    }
  })
})
