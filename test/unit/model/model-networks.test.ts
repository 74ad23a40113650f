import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as tf from '@tensorflow/tfjs'
import { describeModel } from '../../../src/model/describe-model.js'
import { initialWeights } from '../../../src/model/initial-weights.js'
import { buildNetwork, NETWORK_NAMES } from '../../../src/model/networks/networks.js'
import { residualBlock } from '../../../src/model/networks/residual-block.js'
import type { NetworkName } from '../../../src/model/networks/networks.js'
import type { ConvoyError } from '../../../src/shared/errors.js'

async function describeNetwork(name: NetworkName, reg = 0, dropoutRate = 0) {
  const network = await buildNetwork({ name, reg, dropoutRate }, [32, 32, 3], 10)
  const description = describeModel(network)
  network.dispose()
  return description
}

describe('networks', () => {
  /** Table 6 of He et al. 2015, in millions. */
  const PUBLISHED: readonly [NetworkName, string][] = [
    ['resnet20', '0.27'],
    ['resnet32', '0.46'],
    ['resnet44', '0.66'],
    ['resnet56', '0.85'],
    ['resnet110', '1.7'],
  ]
  for (const [name, millions] of PUBLISHED) {
    it(`${name} has the ${millions} million parameters of the paper`, async () => {
      const { trainableCount } = (await describeNetwork(name)).layout
      const digits = millions.split('.')[1]!.length
      assert.equal((trainableCount / 1e6).toFixed(digits), millions)
    })
  }

  it('resnet18 has the parameters of the usual CIFAR variant', async () => {
    assert.equal((await describeNetwork('resnet18')).layout.trainableCount, 11_173_962)
  })

  it('have a layout with each tensor once, without gap or overlap, trainable ones first', async () => {
    for (const name of NETWORK_NAMES) {
      const { tensors, trainableCount, weightCount } = (await describeNetwork(name)).layout
      let offset = 0
      for (const tensor of tensors) {
        assert.equal(tensor.offset, offset, tensor.name)
        assert.equal(tensor.trainable, offset < trainableCount, tensor.name)
        offset += tensor.size
      }
      assert.equal(offset, weightCount)
      assert.equal(new Set(tensors.map((tensor) => tensor.name)).size, tensors.length)
    }
  })

  it('regularise only kernels', async () => {
    for (const tensor of (await describeNetwork('wide8', 0.01, 0.3)).layout.tensors) {
      assert.equal(tensor.l2, tensor.name.endsWith('/kernel') ? 0.01 : 0, tensor.name)
    }
  })

  it('update batch statistics with momentum 0.9 and the epsilon of semantics.md', async () => {
    for (const name of NETWORK_NAMES) {
      const { layout, topology } = await describeNetwork(name)
      assert.equal(layout.statisticsMomentum, 0.9, name)
      const epsilons = [...JSON.stringify(topology).matchAll(/"epsilon":([^,}]+)/g)].map(([, value]) => Number(value))
      assert.ok(epsilons.length > 0)
      assert.deepEqual([...new Set(epsilons)], [1.001e-5], name)
    }
  })

  it('reject regularizers that the coordinator cannot reproduce', () => {
    const layer = (options: Pick<Parameters<typeof tf.layers.dense>[0], 'kernelInitializer' | 'kernelRegularizer'>) =>
      tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [3], ...options })] })
    const l1 = layer({ kernelInitializer: 'zeros', kernelRegularizer: tf.regularizers.l1({ l1: 0.1 }) })
    assert.throws(
      () => describeModel(l1),
      (error: ConvoyError) => error.code === 'usage' && /L2/.test(error.message),
    )
  })
})

describe('residual block', () => {
  const input = (): tf.SymbolicTensor => tf.input({ shape: [32, 32, 16] })

  it('halves the resolution when it downsamples', () => {
    assert.deepEqual(residualBlock(input(), { name: 'a', filters: 32, downsample: true }).shape, [null, 16, 16, 32])
    assert.deepEqual(residualBlock(input(), { name: 'b', filters: 32, downsample: true, shortcut: 'identity' }).shape, [
      null,
      16,
      16,
      32,
    ])
  })

  it('is a bottleneck when its expansion is above 1', () => {
    const x = input()
    const block = tf.model({ inputs: x, outputs: residualBlock(x, { name: 'c', filters: 8, expansion: 4 }) })
    assert.deepEqual(block.outputs[0]!.shape, [null, 32, 32, 32])
    const sizes = block.layers
      .filter((layer) => layer.getClassName() === 'Conv2D')
      .map((layer) => layer.getConfig()['kernelSize'])
    assert.deepEqual(sizes, [
      [1, 1],
      [3, 3],
      [1, 1],
      [1, 1],
    ])
    block.dispose()
  })

  it('adds the skip before its last activation', () => {
    const x = input()
    const block = tf.model({ inputs: x, outputs: residualBlock(x, { name: 'd', filters: 16 }) })
    assert.deepEqual(
      block.layers.slice(-2).map((layer) => layer.getClassName()),
      ['Add', 'Activation'],
    )
    block.dispose()
  })

  it('has an identity shortcut of every second pixel, with new channels zero on both sides', async () => {
    const x = tf.input({ shape: [4, 4, 2] })
    const block = tf.model({
      inputs: x,
      outputs: residualBlock(x, { name: 'e', filters: 4, downsample: true, shortcut: 'identity' }),
    })
    const zeroed = block.getWeights().map((weight) => tf.zerosLike(weight))
    block.setWeights(zeroed)
    const image = tf.range(0, 32).reshape([1, 4, 4, 2])
    const output = (block.predict(image) as tf.Tensor).arraySync() as number[][][][]
    assert.deepEqual(output[0]![1]![1], [0, 20, 21, 0])
    assert.deepEqual(output[0]![0]![1], [0, 4, 5, 0])
    block.dispose()
  })
})

const { layout } = await describeNetwork('resnet20')

describe('initial weights', () => {
  it('are the same for the same seed, and differ for another', () => {
    assert.deepEqual(initialWeights(layout, 1), initialWeights(layout, 1))
    assert.notDeepEqual(initialWeights(layout, 1), initialWeights(layout, 2))
  })

  it('are drawn independently for each tensor', () => {
    const weights = initialWeights(layout, 3)
    // The first value of each kernel, as a fraction of its limit.
    const shares = layout.tensors.flatMap(({ initializer, offset }) =>
      initializer.kind === 'uniform' ? [(weights[offset]! / initializer.limit).toFixed(5)] : [],
    )
    assert.equal(shares.length, 20)
    assert.equal(new Set(shares).size, shares.length)
  })

  it('have the variance of He et al. 2015: 2 / fan-in', () => {
    const weights = initialWeights(layout, 3)
    const kernel = layout.tensors.find(({ name }) => name === 'stage3_block2_conv1/kernel')!
    const values = weights.subarray(kernel.offset, kernel.offset + kernel.size)
    const variance = values.reduce((sum, value) => sum + value * value, 0) / kernel.size
    const expected = 2 / (3 * 3 * 64)
    assert.ok(Math.abs(variance / expected - 1) < 0.02, `${variance} against ${expected}`)
  })

  it('start batch norm at scale 1, offset 0, mean 0, variance 1', () => {
    const weights = initialWeights(layout, 3)
    const expected: Record<string, number> = { gamma: 1, beta: 0, moving_mean: 0, moving_variance: 1 }
    for (const { name, offset, size } of layout.tensors) {
      const value = expected[name.split('/').at(-1)!]
      if (value !== undefined)
        assert.ok(
          weights.subarray(offset, offset + size).every((weight) => weight === value),
          name,
        )
    }
  })
})
