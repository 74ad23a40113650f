import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs'
import { FusedOps } from '../../../src/tensorflow/engine/fused-ops.js'
import { nativeBackend, uploadBytes } from '../../../src/tensorflow/engine/native-backend.js'
import { loadTensorflow } from '../../../src/tensorflow/runtime/load-tensorflow.js'
import { KeyedRandom, PURPOSE, toUnit } from '../../../src/shared/philox.js'

const { tf } = loadTensorflow()
const ops = new FusedOps(tf)
const random = new KeyedRandom(11, PURPOSE.augment)

/** Fixed numbers in [-1, 1). */
function numbers(count: number, stream: number): Float32Array {
  return Float32Array.from({ length: count }, (_, index) => 2 * toUnit(random.words(stream, index)[0]!) - 1)
}

/**
 * Compares the gradient of sum(weights · f(x)) with central differences, element by element.
 * float32 and a step of 1e-2 leave about 1e-3 of error for values near 1.
 */
function checkGradient(
  name: string,
  f: (x: Tensor) => Tensor,
  x: Float32Array,
  shape: number[],
  tolerance = 5e-3,
): void {
  tf.tidy(() => {
    const input = tf.tensor(x, shape)
    const weights = tf.tensor(numbers(f(input).size, 99), f(input).shape)
    const objective = (candidate: Tensor): Tensor => tf.sum(tf.mul(weights, f(candidate)))
    const gradient = tf.grad(objective)(input).dataSync()
    const step = 1e-2
    for (let index = 0; index < x.length; index++) {
      const moved = (by: number): number => {
        const candidate = x.slice()
        candidate[index] = candidate[index]! + by
        return objective(tf.tensor(candidate, shape)).dataSync()[0]!
      }
      const difference = (moved(step) - moved(-step)) / (2 * step)
      const error = Math.abs(difference - gradient[index]!)
      assert.ok(
        error <= tolerance * Math.max(1, Math.abs(difference)),
        `${name}[${index}]: ${gradient[index]} against ${difference}`,
      )
    }
  })
}

describe('gradients agree with finite differences', () => {
  const shape: [number, number, number, number] = [4, 2, 2, 3]
  const x = numbers(48, 1)
  const scale = tf.tensor1d(numbers(3, 2).map((value) => value + 2))
  const offset = tf.tensor1d(numbers(3, 3))
  const batchNorm = (input: Tensor, gamma: Tensor, beta: Tensor): Tensor => {
    const { normalised, mean, variance } = ops.batchNorm(input as Tensor4D, gamma as Tensor1D, beta as Tensor1D, 1e-3)
    tf.dispose([mean, variance])
    return normalised
  }
  after(() => {
    tf.dispose([scale, offset])
  })

  it('batch norm, input', () => {
    checkGradient('x', (input) => batchNorm(input, scale, offset), x, shape)
  })
  it('batch norm, scale and offset', () => {
    const input = tf.tensor4d(x, shape)
    checkGradient('gamma', (gamma) => batchNorm(input, gamma, offset), numbers(3, 2), [3])
    checkGradient('beta', (beta) => batchNorm(input, scale, beta), numbers(3, 3), [3])
    input.dispose()
  })
  it('ReLU', () => {
    // Away from the kink, where no derivative exists.
    const away = x.map((value) => (Math.abs(value) < 0.05 ? 0.5 : value))
    checkGradient('relu', (input) => ops.relu(input), away, [48])
  })
  it('softmax cross-entropy', () => {
    const targets = tf.softmax(tf.tensor2d(numbers(20, 4), [4, 5]))
    checkGradient('logits', (logits) => ops.crossEntropy(logits as Tensor2D, targets), numbers(20, 5), [4, 5])
    targets.dispose()
  })
  it('dropout', () => {
    const key = tf.tensor1d([3, 4], 'int32')
    checkGradient('dropout', (input) => ops.dropout(input, 0.4, key), x, [48])
    key.dispose()
  })
})

describe('fused kernels agree with their definitions', () => {
  it('batch norm: mean, corrected variance and normalised values', () => {
    tf.tidy(() => {
      const x = tf.tensor4d(numbers(48, 6), [4, 2, 2, 3])
      const { normalised, mean, variance } = ops.batchNorm(x, tf.ones([3]), tf.zeros([3]), 1e-3)
      const moments = tf.moments(x, [0, 1, 2])
      assertClose(mean, moments.mean, 1e-6)
      assertClose(variance, tf.mul(moments.variance, 16 / 15), 1e-6)
      assertClose(normalised, tf.div(tf.sub(x, moments.mean), tf.sqrt(tf.add(moments.variance, 1e-3))), 1e-5)
      tf.dispose([mean, variance])
    })
  })

  it('dropout: the mask depends on the key and keeps the expected share', () => {
    tf.tidy(() => {
      const ones = tf.ones([10_000])
      const draw = (a: number, b: number): Float32Array =>
        ops.dropout(ones, 0.3, tf.tensor1d([a, b], 'int32')).dataSync<'float32'>()
      assert.deepEqual(draw(1, 2), draw(1, 2))
      assert.notDeepEqual(draw(1, 2), draw(1, 3))
      const dropped = draw(1, 2).filter((value) => value === 0).length
      assert.ok(Math.abs(dropped / 10_000 - 0.3) < 0.02, `${dropped} of 10000 dropped`)
      assert.ok(draw(1, 2).every((value) => value === 0 || Math.abs(value - 1 / 0.7) < 1e-6))
    })
  })

  it('bytes give the same numbers as floats', () => {
    const bytes = Uint8Array.from([0, 1, 127, 128, 255, 200])
    const uploaded = uploadBytes(nativeBackend(tf), bytes, [1, 2, 3, 1])
    const floats = ops.bytesToFloat(uploaded)
    assert.deepEqual([...floats.dataSync()], [...bytes])
    tf.dispose([uploaded, floats])
  })
})

describe('memory of fused kernels', () => {
  let before_ = 0
  before(() => {
    before_ = tf.memory().numTensors
  })
  it('is released after a gradient through every fused op', () => {
    const x = tf.tensor4d(numbers(48, 7), [4, 2, 2, 3])
    const gradient = tf.tidy(() =>
      tf.grad((input: Tensor) => {
        const { normalised, mean, variance } = ops.batchNorm(input as Tensor4D, tf.ones([3]), tf.zeros([3]), 1e-3)
        tf.dispose([mean, variance])
        const dropped = ops.dropout(ops.relu(normalised), 0.5, tf.tensor1d([1, 2], 'int32'))
        return ops.crossEntropy(dropped.reshape([4, 12]), tf.fill([4, 12], 1 / 12)).sum()
      })(x),
    )
    tf.dispose([x, gradient])
    assert.equal(tf.memory().numTensors, before_)
  })
})

function assertClose(actual: Tensor, expected: Tensor, tolerance: number): void {
  const difference = tf.max(tf.abs(tf.sub(actual, expected))).dataSync()[0]!
  assert.ok(difference <= tolerance, `differs by ${difference}`)
}
