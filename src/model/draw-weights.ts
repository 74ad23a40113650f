import type { KeyedRandom } from '../shared/philox.js'
import { toUnit } from '../shared/philox.js'
import { orthonormalColumns } from './orthonormal-columns.js'
import type { Initializer, ParameterTensor } from './parameter-layout.js'
import { standardNormal } from './standard-normal.js'

/** Writes the first values of one tensor. @param out float32, its `size` @param index of the tensor, which keys its draws */
export function drawWeights(
  out: Float32Array,
  { shape, initializer }: Pick<ParameterTensor, 'shape' | 'initializer'>,
  random: KeyedRandom,
  index: number,
): void {
  switch (initializer.kind) {
    case 'constant':
      return void out.fill(initializer.value)
    case 'forget-bias':
      return void out.fill(initializer.value).fill(1, initializer.units, 2 * initializer.units)
    case 'identity':
      return out.forEach((_, element) => {
        const isDiagonal = element % (shape.at(-1)! + 1) === 0
        out[element] = isDiagonal ? initializer.gain : 0
      })
    case 'orthogonal':
      return drawOrthogonal(out, shape, initializer.gain, random, index)
    default:
      return drawEach(out, initializer, random, index)
  }
}

type Drawn = Extract<Initializer, { kind: 'uniform' | 'range' | 'normal' | 'truncated-normal' }>

/** Elements that are drawn one by one. A draw gives four. */
function drawEach(out: Float32Array, initializer: Drawn, random: KeyedRandom, index: number): void {
  for (let element = 0; element < out.length; element += 4) {
    const drawn = random.words(index, element / 4)
    // Another draw overwrites the words of the first.
    const words = initializer.kind === 'truncated-normal' ? drawn.slice() : drawn
    const redraw = (draw: number): Uint32Array => random.words(index, element / 4, draw)
    const count = Math.min(4, out.length - element)
    for (let word = 0; word < count; word++) out[element + word] = valueOf(initializer, words, word, redraw)
  }
}

function valueOf(initializer: Drawn, words: Uint32Array, word: number, redraw: (draw: number) => Uint32Array): number {
  switch (initializer.kind) {
    case 'uniform':
      return (2 * toUnit(words[word]!) - 1) * initializer.limit
    case 'range':
      return initializer.low + (initializer.high - initializer.low) * toUnit(words[word]!)
    case 'normal':
      return initializer.mean + initializer.deviation * standardNormal(words[word]!)
    case 'truncated-normal': {
      // Beyond two deviations it is drawn again, as in TensorFlow.
      let value = standardNormal(words[word]!)
      for (let draw = 1; Math.abs(value) > 2; draw++) value = standardNormal(redraw(draw)[word]!)
      return initializer.mean + initializer.deviation * value
    }
  }
}

/** Rows or columns, whichever are fewer, are orthonormal: Saxe et al. 2014. Kernels are matrices of their last dimension. */
function drawOrthogonal(
  out: Float32Array,
  shape: readonly number[],
  gain: number,
  random: KeyedRandom,
  index: number,
): void {
  const columns = shape.at(-1)!
  const rows = out.length / columns
  const [tall, narrow] = [Math.max(rows, columns), Math.min(rows, columns)]
  const normal = new Float32Array(out.length)
  drawEach(normal, { kind: 'normal', mean: 0, deviation: 1 }, random, index)
  const basis = orthonormalColumns(normal, tall, narrow)
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      out[row * columns + column] = gain * (rows < columns ? basis[column]![row]! : basis[row]![column]!)
}
