import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { initialWeights } from '../../../src/model/initial-weights.js'
import type { Serialised } from '../../../src/model/initializers.js'
import { initializerOf } from '../../../src/model/initializers.js'
import type { Initializer } from '../../../src/model/parameter-layout.js'
import { standardNormal } from '../../../src/model/standard-normal.js'
import { tf } from '../../../src/model/networks/tfjs.js'

/** Values of a tensor with this initializer. */
function drawn(initializer: Initializer, shape: readonly number[], seed = 1): Float32Array {
  const size = shape.reduce((product, length) => product * length, 1)
  const tensor = { name: 'w', shape, offset: 0, size, trainable: true, l2: 0, initializer }
  return initialWeights({ tensors: [tensor], trainableCount: size, weightCount: size, statisticsMomentum: 0 }, seed)
}

function momentsOf(values: Float32Array): { mean: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return { mean, deviation: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length) }
}

function isClose(actual: number, expected: number, tolerance: number): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} instead of ${expected}`)
}

describe('a standard normal value', () => {
  it('is the quantile of its word', () => {
    // Published quantiles of the normal distribution.
    for (const [p, quantile] of [
      [0.5, 0],
      [0.9, 1.2815515655],
      [0.975, 1.9599639845],
      [0.999, 3.0902323062],
      [0.001, -3.0902323062],
      [0.000001, -4.7534243088],
    ] as const)
      isClose(standardNormal(Math.floor(p * 2 ** 32)), quantile, 2e-2 * (p < 1e-5 ? 1 : 1e-3))
  })

  it('has finite ends, as far from 0 on both sides', () => {
    assert.equal(standardNormal(0), -standardNormal(2 ** 32 - 1))
    isClose(standardNormal(0), -5.4, 0.1)
  })
})

describe('initial weights', () => {
  it('have the distribution of each initializer', () => {
    const shape = [100, 200]
    const normal = momentsOf(drawn({ kind: 'normal', mean: 2, deviation: 0.5 }, shape))
    isClose(normal.mean, 2, 0.02)
    isClose(normal.deviation, 0.5, 0.02)
    const truncated = drawn({ kind: 'truncated-normal', mean: 0, deviation: 1 }, shape)
    assert.ok(truncated.every((value) => Math.abs(value) <= 2))
    // Of a normal distribution that is cut at two deviations.
    isClose(momentsOf(truncated).deviation, 0.8796, 0.02)
    const range = drawn({ kind: 'range', low: 1, high: 3 }, shape)
    assert.ok(range.every((value) => value >= 1 && value < 3))
    isClose(momentsOf(range).mean, 2, 0.02)
    assert.deepEqual([...drawn({ kind: 'identity', gain: 3 }, [2, 2])], [3, 0, 0, 3])
    assert.deepEqual([...drawn({ kind: 'forget-bias', value: 0, units: 2 }, [8])], [0, 0, 1, 1, 0, 0, 0, 0])
  })

  it('are orthonormal in the shorter direction', () => {
    for (const [rows, columns] of [
      [3, 5],
      [5, 3],
      [4, 4],
    ] as const) {
      const values = drawn({ kind: 'orthogonal', gain: 1 }, [rows, columns])
      const vector = (index: number): number[] =>
        rows < columns
          ? Array.from(values.subarray(index * columns, (index + 1) * columns))
          : Array.from({ length: rows }, (_, row) => values[row * columns + index]!)
      for (let one = 0; one < Math.min(rows, columns); one++)
        for (let other = 0; other < Math.min(rows, columns); other++) {
          const product = vector(one).reduce((sum, value, index) => sum + value * vector(other)[index]!, 0)
          isClose(product, one === other ? 1 : 0, 1e-6)
        }
    }
  })

  it('are decided by the seed', () => {
    const initializer = { kind: 'truncated-normal', mean: 0, deviation: 1 } as const
    assert.deepEqual(drawn(initializer, [50], 3), drawn(initializer, [50], 3))
    assert.notDeepEqual(drawn(initializer, [50], 3), drawn(initializer, [50], 4))
  })
})

describe('an initializer of TensorFlow.js', () => {
  const stock = (name: string, shape: readonly number[]): Initializer => {
    const layer = tf.layers.dense({ units: 1, kernelInitializer: name as 'heNormal' })
    return initializerOf(layer.getConfig()['kernelInitializer'] as unknown as Serialised, shape, 'w')
  }

  it('has the scale that TensorFlow.js gives it', () => {
    const shape = [3, 3, 4, 8]
    for (const name of ['heNormal', 'heUniform', 'glorotNormal', 'glorotUniform', 'leCunNormal', 'leCunUniform']) {
      const ours = momentsOf(drawn(stock(name, shape), [40_000]))
      const initializer = tf.initializers[name as 'heNormal']({})
      const theirs = momentsOf(
        Float32Array.from({ length: 20 }).reduce<Float32Array>(
          (all) => Float32Array.from([...all, ...initializer.apply(shape).dataSync()]),
          new Float32Array(0),
        ),
      )
      isClose(ours.deviation / theirs.deviation, 1, 0.05)
    }
  })

  it('that is none of them is rejected', () => {
    assert.throws(
      () => initializerOf({ className: 'Mine', config: {} }, [2], 'Layer a, kernel'),
      /Layer a, kernel: .*Mine/,
    )
  })
})
