import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Rank, Tensor4D } from '@tensorflow/tfjs'
import { capture } from '../../../src/tensorflow/capture/capture.js'
import { hasBfloat16 } from '../../../src/tensorflow/runtime/describe-device.js'
import { loadTensorflow } from '../../../src/tensorflow/runtime/load-tensorflow.js'

const loaded = loadTensorflow()
const { tf } = loaded
/** bfloat16 keeps 8 bits; a result that was read from foreign memory is wrong by more than itself. */
const MAX_ERROR = 2 ** -5
/** Memory that is written between two runs, so that a kernel that reads what it did not write gives something else. */
const LEFT_BEHIND = [NaN, 1e30, -1e30]

interface Convolution {
  readonly images: readonly [count: number, height: number, width: number, channels: number]
  readonly kernel: readonly [height: number, width: number, inputs: number, outputs: number]
  readonly strides: readonly [number, number]
  readonly padding: 'same' | 'valid'
}

const CONVOLUTIONS: readonly Convolution[] = [
  { images: [9, 3, 2, 64], kernel: [3, 3, 64, 128], strides: [2, 2], padding: 'same' },
  { images: [16, 8, 7, 64], kernel: [5, 5, 64, 512], strides: [1, 3], padding: 'valid' },
  { images: [4, 9, 1, 20], kernel: [1, 3, 20, 192], strides: [2, 2], padding: 'same' },
  { images: [32, 32, 1, 20], kernel: [3, 3, 20, 8], strides: [2, 2], padding: 'same' },
  { images: [8, 1, 9, 32], kernel: [3, 3, 32, 64], strides: [2, 2], padding: 'same' },
]

describe('bfloat16 on narrow images', { skip: !hasBfloat16(loaded) && 'this processor has no bfloat16' }, () => {
  for (const convolution of CONVOLUTIONS) {
    const { images, kernel, strides, padding } = convolution
    it(`rounds the results of ${kernel.join('x')} on ${images.join('x')}, and gives them again`, () => {
      const image = tf.randomNormal<Rank.R4>([...images], 0, 1, 'float32', 1)
      const weights = tf.randomNormal<Rank.R4>([...kernel], 0, 1, 'float32', 2)
      const convolve = (x: Tensor4D, w: Tensor4D): Tensor4D => tf.conv2d(x, w, [...strides], padding)
      const change = tf.randomNormal<Rank.R4>(convolve(image, weights).shape, 0, 1, 'float32', 3)
      const pass = (x: Tensor4D, w: Tensor4D, dy: Tensor4D): Tensor4D[] => [
        convolve(x, w),
        ...(tf.grads(convolve as never)([x, w], dy) as Tensor4D[]),
      ]
      const inputs: [Tensor4D, Tensor4D, Tensor4D] = [image, weights, change]
      const exact = pass(...inputs).map((tensor) => tensor.dataSync())
      const lowered = capture(pass, inputs, { precision: 'bfloat16' })
      const first = lowered(...inputs).map((tensor) => tensor.dataSync())
      for (const [result, values] of first.entries())
        assert.ok(largestError(values, exact[result]!) < MAX_ERROR, `result ${result}`)
      for (let run = 0; run < 5; run++) {
        for (let size = 2 ** 8; size <= 2 ** 18; size *= 2)
          tf.tidy(() => tf.fill([size], LEFT_BEHIND[run % LEFT_BEHIND.length]!).dataSync())
        const again = lowered(...inputs).map((tensor) => tensor.dataSync())
        assert.deepEqual(again, first)
      }
      lowered.dispose()
    })
  }
})

/** Of a value, relative to the root mean square of all. */
function largestError(values: ArrayLike<number>, exact: ArrayLike<number>): number {
  const square = Array.from(exact).reduce((sum, value) => sum + value * value, 0)
  const scale = Math.sqrt(square / exact.length)
  return Array.from(values).reduce((max, value, index) => Math.max(max, Math.abs(value - exact[index]!) / scale), 0)
}
