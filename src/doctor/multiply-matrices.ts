import { describeDevice } from '../tensorflow/runtime/describe-device.js'
import { loadTensorflow } from '../tensorflow/runtime/load-tensorflow.js'
import { standardOutput } from '../shared/terminal.js'

/**
 * Multiplies two matrices of small whole numbers, which float32 multiplies exactly, and prints the device. It runs as a process of its
 * own, since a TensorFlow that does not fit the machine may crash it.
 */
const SIZE = 128

const loaded = loadTensorflow()
const { tf } = loaded
const [left, right] = [fill((row, column) => (row + column) % 7), fill((row, column) => (row * column) % 5)]
const product = tf.matMul(tf.tensor2d(left, [SIZE, SIZE]), tf.tensor2d(right, [SIZE, SIZE])).dataSync()
const exact = fill((row, column) => {
  let sum = 0
  for (let inner = 0; inner < SIZE; inner++) sum += left[row * SIZE + inner]! * right[inner * SIZE + column]!
  return sum
})
standardOutput.print(
  JSON.stringify({ ...describeDevice(loaded), exact: exact.every((value, index) => value === product[index]) }),
)

function fill(value: (row: number, column: number) => number): Float32Array {
  return Float32Array.from({ length: SIZE * SIZE }, (_, index) => value(Math.floor(index / SIZE), index % SIZE))
}
