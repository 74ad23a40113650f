import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as tf from '@tensorflow/tfjs'
import { shardSizeFor } from '../../../src/library/shard-size.js'

const { layers } = tf
const dense = (units: number): tf.layers.Layer => layers.dense({ inputShape: [units], units })
const wide = dense(1_000)

describe('the default size of a shard', () => {
  it('is the whole batch of a small model, and a quarter of that of a large one', () => {
    assert.equal(shardSizeFor(tf.sequential({ layers: [dense(8)] }), 32), 32)
    assert.equal(shardSizeFor(tf.sequential({ layers: [wide] }), 100), 100)
    assert.equal(shardSizeFor(tf.sequential({ layers: [wide] }), 200), 100)
    assert.equal(shardSizeFor(tf.sequential({ layers: [wide] }), 320), 160)
    assert.equal(shardSizeFor(tf.sequential({ layers: [wide] }), 4_000), 1_000)
  })

  it('divides the batch', () => {
    assert.equal(shardSizeFor(tf.sequential({ layers: [wide] }), 402), 67)
    assert.equal(shardSizeFor(tf.sequential({ layers: [wide] }), 401), 1)
  })

  it('counts a weight at every place where it is used, in models and layers inside too', () => {
    const kernel = { filters: 10, kernelSize: 3, inputShape: [32, 32, 10] }
    const convolution = tf.sequential({ layers: [layers.conv2d(kernel)] })
    // 910 weights at 900 places: 122 samples are 100 million multiplications.
    assert.equal(shardSizeFor(convolution, 240), 240)
    assert.equal(shardSizeFor(convolution, 260), 130)
    const nested = tf.sequential({ layers: [convolution, layers.flatten()] })
    assert.equal(shardSizeFor(nested, 260), 130)
    const steps: Parameters<typeof layers.simpleRNN>[0] = {
      ...{ units: 100, inputShape: [50, 100], recurrentInitializer: 'glorotUniform' },
    }
    const loop = tf.sequential({ layers: [layers.simpleRNN(steps)] })
    // 20,100 weights in 50 steps.
    assert.equal(shardSizeFor(loop, 190), 190)
    assert.equal(shardSizeFor(loop, 200), 100)
    const words = tf.sequential({ layers: [layers.embedding({ inputDim: 100_000, outputDim: 8, inputLength: 50 })] })
    assert.equal(shardSizeFor(words, 128), 128)
  })
})
