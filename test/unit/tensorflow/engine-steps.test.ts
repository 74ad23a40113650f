import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Tensor } from '@tensorflow/tfjs'
import { openDataset } from '../../../src/data/open-dataset.js'
import { capture } from '../../../src/tensorflow/capture/capture.js'
import { createEngine } from '../../../src/tensorflow/engine/create-engine.js'
import type { EngineOptions } from '../../../src/tensorflow/engine/engine.js'
import { FusedOps } from '../../../src/tensorflow/engine/fused-ops.js'
import { evaluationStep } from '../../../src/tensorflow/inference/inference.js'
import { nativeBackend, uploadBytes } from '../../../src/tensorflow/engine/native-backend.js'
import { Network } from '../../../src/tensorflow/engine/network.js'
import { hasBfloat16 } from '../../../src/tensorflow/runtime/describe-device.js'
import { loadTensorflow } from '../../../src/tensorflow/runtime/load-tensorflow.js'
import { trainingStep } from '../../../src/tensorflow/engine/training-step.js'
import { describeModel } from '../../../src/model/describe-model.js'
import { initialWeights } from '../../../src/model/initial-weights.js'
import { buildNetwork, NETWORK_NAMES } from '../../../src/model/networks/networks.js'
import type { NetworkName } from '../../../src/model/networks/networks.js'
import { bytesOf } from '../../../src/shared/bytes-of.js'
import { objectiveOps } from '../../../src/tensorflow/engine/objective-ops.js'
import { imagesOf } from '../../support/images-of.js'

const loaded = loadTensorflow()
const { tf } = loaded
const ops = new FusedOps(tf)
const dataset = imagesOf(await openDataset('cifar10'))
const SHARD = 8

async function optionsOf(name: NetworkName): Promise<EngineOptions> {
  const built = await buildNetwork({ name, reg: 1e-4, dropoutRate: name === 'wide8' ? 0.3 : 0 }, [32, 32, 3], 10)
  const model = describeModel(built)
  built.dispose()
  return {
    model,
    shardSize: SHARD,
    evaluationShardSize: SHARD,
    labelSmoothing: 0.1,
    fillMode: 'reflect',
    augment: true,
    precision: 'float32',
  }
}

/** Real images spread over the data set. */
function shardOf(count: number): { inputs: [Uint8Array]; targets: [Int32Array] } {
  const size = 32 * 32 * 3
  const pixels = new Uint8Array(count * size)
  const labels = new Int32Array(count)
  for (let index = 0; index < count; index++) {
    const sample = index * 4001
    pixels.set(dataset.pixels.subarray(sample * size, (sample + 1) * size), index * size)
    labels[index] = dataset.labels[sample]!
  }
  return { inputs: [pixels], targets: [labels] }
}

function trainingInputs(options: EngineOptions): Tensor[] {
  const { inputs, targets } = shardOf(SHARD)
  return [
    tf.tensor1d(initialWeights(options.model.layout, 5)),
    tf.tensor2d(
      Float32Array.from({ length: SHARD * 8 }, (_, index) => [0.95, 0.1, -1, -0.1, 0.95, 2, 0, 0][index % 8]!),
      [SHARD, 8],
    ),
    tf.tensor1d([3, 4], 'int32'),
    tf.tensor1d(targets[0], 'int32'),
    uploadBytes(nativeBackend(tf), inputs[0], [SHARD, 32, 32, 3]),
  ]
}

/** Relative error of the loss. */
const MAX_FUSING_ERROR = 1e-4

/** Results of a step, eager and as a graph; the graph must give the same bits each time. */
function bothWays(
  step: (...inputs: Tensor[]) => Tensor[],
  inputs: Tensor[],
): Record<'eager' | 'captured', Float32Array> {
  const eager = tf.tidy(() => step(...inputs)[0]!.dataSync<'float32'>())
  const graph = capture(step, inputs)
  const [captured, again] = [0, 1].map(() => {
    const [output] = graph(...inputs) as [Tensor]
    const values = output.dataSync<'float32'>()
    output.dispose()
    return values
  }) as [Float32Array, Float32Array]
  graph.dispose()
  assert.ok(eager.every(Number.isFinite))
  assert.deepEqual(bytesOf(again), bytesOf(captured))
  return { eager, captured }
}

describe('a captured step gives the same bits as the eager step', () => {
  for (const name of NETWORK_NAMES) {
    it(name, async () => {
      const options = await optionsOf(name)
      const network = await Network.build(tf, options.model, ops)
      const inputs = trainingInputs(options)
      const before = tf.memory().numTensors
      const { model } = options
      const parts = { tf, ops, network, model, objective: objectiveOps(tf, ops, model, options.labelSmoothing) }
      const training = bothWays(trainingStep(parts, options), inputs)
      assert.deepEqual(bytesOf(training.captured), bytesOf(training.eager))
      // TensorFlow fuses an inference's batch norm into the convolution, which rounds differently on some processors.
      const evaluation = bothWays(evaluationStep(parts), [inputs[0]!, ...inputs.slice(-2)])
      evaluation.captured.forEach((value, index) => {
        assert.ok(Math.abs(value - evaluation.eager[index]!) <= MAX_FUSING_ERROR * Math.abs(value))
      })
      assert.equal(tf.memory().numTensors, before)
      tf.dispose(inputs)
    })
  }
})

const noBfloat16 = !hasBfloat16(loaded) && 'this processor has no instructions for bfloat16'

describe('a step in bfloat16', { skip: noBfloat16 }, () => {
  for (const name of NETWORK_NAMES) {
    it(`approximates the gradient of ${name}, with the same bits in every run`, async () => {
      const options = await optionsOf(name)
      const engines = [await createEngine(options), await createEngine({ ...options, precision: 'bfloat16' })] as const
      const weights = initialWeights(options.model.layout, 5)
      const shard = { ...shardOf(SHARD), transforms: new Float32Array(SHARD * 8), dropoutKey: [0, 0] as const }
      const [exact, low, again] = [engines[0], engines[1], engines[1]].map((engine) => {
        engine.setWeights(weights)
        return engine.gradient(shard)
      }) as [Float32Array, Float32Array, Float32Array]
      assert.deepEqual(bytesOf(low), bytesOf(again))
      assert.notDeepEqual(bytesOf(low), bytesOf(exact))
      // Eight samples of an untrained network: rounding grows from batch norm to batch norm, up to 110 layers of them.
      assert.ok(cosine(exact, low) > 0.8, `cosine ${cosine(exact, low)}`)
      assert.ok(Math.abs(low.at(-2)! / exact.at(-2)! - 1) < 0.02, `loss ${low.at(-2)} and ${exact.at(-2)}`)
      for (const engine of engines) engine.close()
    })
  }
})

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array): number => x.reduce((sum, value, index) => sum + value * y[index]!, 0)
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}

describe('the gradient vector', () => {
  it('holds batch statistics in place of the moving ones, then loss and correct count', async () => {
    const options = { ...(await optionsOf('resnet8')), labelSmoothing: 0, augment: false }
    const { layout } = options.model
    const engine = await createEngine(options)
    engine.setWeights(initialWeights(layout, 5))
    const shard = shardOf(SHARD)
    const vector = engine.gradient({ ...shard, transforms: new Float32Array(SHARD * 8), dropoutKey: [0, 0] })
    assert.equal(vector.length, layout.weightCount + 2)
    const variance = layout.tensors.find(({ name }) => name === 'stem_bn/moving_variance')!
    assert.ok(vector.subarray(variance.offset, variance.offset + variance.size).every((value) => value >= 0))
    const [loss, correct] = vector.subarray(-2) as unknown as [number, number]
    // The loss of an untrained network is about ln 10 per sample.
    assert.ok(loss / SHARD > 1.5 && loss / SHARD < 5, `loss ${loss / SHARD}`)
    assert.ok(Number.isInteger(correct) && correct >= 0 && correct <= SHARD)
    engine.close()
  })

  it('agrees with the slope of the loss along the gradient', async () => {
    const options = { ...(await optionsOf('resnet8')), augment: false }
    const { layout } = options.model
    const engine = await createEngine(options)
    const shard = { ...shardOf(SHARD), transforms: new Float32Array(SHARD * 8), dropoutKey: [0, 0] as const }
    const weights = initialWeights(layout, 5)
    engine.setWeights(weights)
    const gradient = engine.gradient(shard).subarray(0, layout.trainableCount)
    const squaredNorm = gradient.reduce((sum, value) => sum + value * value, 0)
    const lossAt = (distance: number): number => {
      engine.setWeights(
        weights.map((weight, index) => weight + (index < gradient.length ? distance * gradient[index]! : 0)),
      )
      return engine.gradient(shard).at(-2)!
    }
    const step = 1e-3 / Math.sqrt(squaredNorm)
    const slope = (lossAt(step) - lossAt(-step)) / (2 * step)
    assert.ok(Math.abs(slope / squaredNorm - 1) < 0.02, `${slope} against ${squaredNorm}`)
    engine.close()
  })
})

describe('evaluation', () => {
  it('counts each sample once, for any size of the last shard', async () => {
    const options = await optionsOf('resnet8')
    const engine = await createEngine(options)
    engine.setWeights(initialWeights(options.model.layout, 5))
    for (const count of [SHARD, 3, 1]) {
      const vector = engine.evaluate(shardOf(count))
      assert.equal(
        vector.subarray(0, 100).reduce((sum, value) => sum + value, 0),
        count,
      )
    }
    engine.close()
  })

  it('predicts probabilities', async () => {
    const options = await optionsOf('resnet8')
    const engine = await createEngine(options)
    engine.setWeights(initialWeights(options.model.layout, 5))
    const probabilities = engine.predict(shardOf(3).inputs)
    assert.equal(probabilities.length, 30)
    for (let image = 0; image < 3; image++) {
      const sum = probabilities.subarray(image * 10, image * 10 + 10).reduce((total, value) => total + value, 0)
      assert.ok(Math.abs(sum - 1) < 1e-5)
    }
    engine.close()
  })
})

describe('memory', () => {
  it('is constant over many steps', async () => {
    const options = await optionsOf('resnet8')
    const engine = await createEngine(options)
    const weights = initialWeights(options.model.layout, 5)
    const shard = { ...shardOf(SHARD), transforms: new Float32Array(SHARD * 8), dropoutKey: [0, 0] as const }
    const step = (): void => {
      engine.setWeights(weights)
      engine.gradient(shard)
    }
    for (let index = 0; index < 50; index++) step()
    const tensors = engine.tensorCount()
    const residentBytes = process.memoryUsage.rss()
    for (let index = 0; index < 300; index++) step()
    assert.equal(engine.tensorCount(), tensors)
    const growth = process.memoryUsage.rss() - residentBytes
    // One leaked weight vector per step would be 90 MB.
    assert.ok(growth < 30e6, `grew by ${growth} bytes in 300 steps`)
    engine.close()
  })
})
