import type { ParameterLayout } from '../../src/model/parameter-layout.js'
import { philox } from '../../src/shared/philox.js'

// The networks of docs/reference/semantics.md in float64 and plain loops, written from that page. They use nothing of the code but
// philox and the offsets of the tensors.

/** `[count, height, width, channel]`, row-major. */
interface Images {
  readonly count: number
  readonly height: number
  readonly width: number
  readonly channels: number
  readonly values: Float64Array
}

interface ForwardOptions {
  /** Normalise by the shard's own statistics, which are returned; undefined for the moving ones, without dropout. */
  readonly training?: { readonly dropoutRate: number; readonly dropoutWords: readonly [number, number] }
}

interface Forward {
  /** `[count][class]` */
  readonly logits: number[][]
  /** The inputs of the logits layer, `[count][channel]`. */
  readonly pooled: number[][]
  /** The shard's mean and unbiased variance, by name of the moving statistic. */
  readonly statistics: Map<string, number[]>
}

const EPSILON = 1.001e-5

export function imagesOf(pixels: Uint8Array, [height, width, channels]: readonly [number, number, number]): Images {
  const values = Float64Array.from(pixels, (byte: number) => byte * Math.fround(1 / 255))
  return { count: pixels.length / (height * width * channels), height, width, channels, values }
}

/** Bilinear interpolation, reflected outside the image. @param transforms eight numbers per image */
export function augmented(images: Images, transforms: Float32Array): Images {
  const { count, height, width, channels, values } = images
  const out = new Float64Array(values.length)
  for (let n = 0; n < count; n++) {
    const [a0, a1, a2, b0, b1, b2] = transforms.subarray(8 * n, 8 * n + 6) as unknown as number[]
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const ix = reflected(a0! * x + a1! * y + a2!, width)
        const iy = reflected(b0! * x + b1! * y + b2!, height)
        const [x0, y0] = [Math.floor(ix), Math.floor(iy)]
        for (let c = 0; c < channels; c++) {
          const at = (row: number, column: number): number =>
            row < height && column < width ? values[((n * height + row) * width + column) * channels + c]! : 0
          const top = (x0 + 1 - ix) * at(y0, x0) + (ix - x0) * at(y0, x0 + 1)
          const bottom = (x0 + 1 - ix) * at(y0 + 1, x0) + (ix - x0) * at(y0 + 1, x0 + 1)
          out[((n * height + y) * width + x) * channels + c] = (y0 + 1 - iy) * top + (iy - y0) * bottom
        }
      }
  }
  return { ...images, values: out }
}

function reflected(place: number, length: number): number {
  let v = place
  if (v < 0) {
    v = 2 * length * Math.trunc(-v / (2 * length)) + v
    v = v < -length ? v + 2 * length : -v - 1
  } else if (v > length - 1) {
    v -= 2 * length * Math.trunc(v / (2 * length))
    if (v >= length) v = 2 * length - v - 1
  }
  return Math.min(Math.max(v, 0), length - 1)
}

/** @param weights in the layout's order */
export function forward(
  layout: ParameterLayout,
  weights: ArrayLike<number>,
  images: Images,
  { training }: ForwardOptions,
): Forward {
  const places = new Map(layout.tensors.map((tensor) => [tensor.name, tensor]))
  const statistics = new Map<string, number[]>()
  const values = (name: string): number[] => {
    const { offset, size } = places.get(name)!
    return Array.from({ length: size }, (_, index) => weights[offset + index]!)
  }
  const convolution = (x: Images, name: string, stride: number): Images => {
    const { shape } = places.get(`${name}/kernel`)!
    return convolved(x, values(`${name}/kernel`), shape as [number, number, number, number], stride)
  }
  const batchNorm = (x: Images, name: string): Images => {
    let [mean, variance] = [values(`${name}/moving_mean`), values(`${name}/moving_variance`)]
    if (training) {
      const size = x.count * x.height * x.width
      ;[mean, variance] = momentsOf(x)
      statistics.set(`${name}/moving_mean`, mean)
      statistics.set(
        `${name}/moving_variance`,
        variance.map((value) => (value * size) / Math.max(1, size - 1)),
      )
    }
    const [gamma, beta] = [values(`${name}/gamma`), values(`${name}/beta`)]
    return mapped(x, (value, c) => (gamma[c]! * (value - mean[c]!)) / Math.sqrt(variance[c]! + EPSILON) + beta[c]!)
  }

  let x = relu(batchNorm(convolution(images, 'stem_conv', 1), 'stem_bn'))
  const blocks = layout.tensors.flatMap(({ name }) => /^(stage\d+_block\d+)_conv1\/kernel$/.exec(name)?.[1] ?? [])
  blocks.forEach((block, index) => {
    const stride = /^stage1_/.test(block) || !block.endsWith('_block1') ? 1 : 2
    let y = relu(batchNorm(convolution(x, `${block}_conv1`, stride), `${block}_bn1`))
    if (training && training.dropoutRate > 0) y = dropped(y, training.dropoutRate, training.dropoutWords, index)
    y = batchNorm(convolution(y, `${block}_conv2`, 1), `${block}_bn2`)
    const skip = places.has(`${block}_skip/kernel`)
      ? batchNorm(convolution(x, `${block}_skip`, stride), `${block}_skip_bn`)
      : identitySkip(x, y, stride)
    x = relu({ ...y, values: y.values.map((value, at) => value + skip.values[at]!) })
  })

  const pooled = Array.from({ length: x.count }, (_, n) =>
    Array.from({ length: x.channels }, (_channel, c) => {
      let sum = 0
      for (let at = 0; at < x.height * x.width; at++) sum += x.values[(n * x.height * x.width + at) * x.channels + c]!
      return sum / (x.height * x.width)
    }),
  )
  const [kernel, bias] = [values('logits/kernel'), values('logits/bias')]
  const logits = pooled.map((features) =>
    bias.map((start, k) => features.reduce((sum, value, c) => sum + value * kernel[c * bias.length + k]!, start)),
  )
  return { logits, pooled, statistics }
}

export function logSoftmax(logits: readonly number[]): number[] {
  const largest = Math.max(...logits)
  const logSum = Math.log(logits.reduce((sum, value) => sum + Math.exp(value - largest), 0))
  return logits.map((value) => value - largest - logSum)
}

function mapped(x: Images, change: (value: number, channel: number) => number): Images {
  return { ...x, values: x.values.map((value, index) => change(value, index % x.channels)) }
}

function relu(x: Images): Images {
  return mapped(x, (value) => Math.max(0, value))
}

function convolved(
  x: Images,
  kernel: readonly number[],
  [rows, columns, inputs, outputs]: readonly [number, number, number, number],
  stride: number,
): Images {
  const [height, width] = [Math.ceil(x.height / stride), Math.ceil(x.width / stride)]
  const before = (out: number, size: number, extent: number): number =>
    Math.floor(Math.max(0, (out - 1) * stride + extent - size) / 2)
  const [top, left] = [before(height, x.height, rows), before(width, x.width, columns)]
  const values = new Float64Array(x.count * height * width * outputs)
  for (let n = 0; n < x.count; n++)
    for (let y = 0; y < height; y++)
      for (let column = 0; column < width; column++) {
        const to = ((n * height + y) * width + column) * outputs
        for (let i = 0; i < rows; i++)
          for (let j = 0; j < columns; j++) {
            const [inY, inX] = [y * stride + i - top, column * stride + j - left]
            if (inY < 0 || inY >= x.height || inX < 0 || inX >= x.width) continue
            const from = ((n * x.height + inY) * x.width + inX) * inputs
            for (let c = 0; c < inputs; c++) {
              const value = x.values[from + c]!
              const weight = ((i * columns + j) * inputs + c) * outputs
              for (let o = 0; o < outputs; o++) values[to + o] = values[to + o]! + value * kernel[weight + o]!
            }
          }
      }
  return { count: x.count, height, width, channels: outputs, values }
}

/** Mean and biased variance of each channel. */
function momentsOf(x: Images): [mean: number[], variance: number[]] {
  const size = x.count * x.height * x.width
  const sums = (change: (value: number, channel: number) => number): number[] => {
    const total = new Array<number>(x.channels).fill(0)
    x.values.forEach((value, index) => (total[index % x.channels]! += change(value, index % x.channels)))
    return total.map((sum) => sum / size)
  }
  const mean = sums((value) => value)
  return [mean, sums((value, c) => (value - mean[c]!) ** 2)]
}

function identitySkip(x: Images, { height, width, channels }: Images, stride: number): Images {
  const before = Math.floor((channels - x.channels) / 2)
  const values = new Float64Array(x.count * height * width * channels)
  for (let n = 0; n < x.count; n++)
    for (let y = 0; y < height; y++)
      for (let column = 0; column < width; column++)
        for (let c = 0; c < x.channels; c++)
          values[((n * height + y) * width + column) * channels + before + c] =
            x.values[((n * x.height + y * stride) * x.width + column * stride) * x.channels + c]!
  return { count: x.count, height, width, channels, values }
}

function dropped(x: Images, rate: number, [w0, w1]: readonly [number, number], layer: number): Images {
  const kept = keptByDropout(x.values.length, rate, [w0, w1], layer)
  const scale = Math.fround(1 / (1 - rate))
  return { ...x, values: x.values.map((value, index) => (kept[index] ? value * scale : 0)) }
}

/** The mask of a layer. @param words of the shard */
export function keptByDropout(
  length: number,
  rate: number,
  words: readonly [number, number],
  layer: number,
): boolean[] {
  const [seed0, seed1] = [words[0] | 0, ((words[1] | 0) + layer) | 0]
  const high = (seed: number): number => (seed < 0 ? 0xffffffff : 0)
  const [q, drawn] = [new Uint32Array(4), new Uint32Array(4)]
  philox(q, 0x3ec8f720, 0x02461e29, seed0 >>> 0, high(seed0), seed1 >>> 0, high(seed1))
  return Array.from({ length }, (_, t) => {
    if (t % 4 === 0) philox(drawn, q[0]!, q[1]!, t / 4, 0, q[2]!, q[3]!)
    return (drawn[t % 4]! % 2 ** 23) / 2 ** 23 >= Math.fround(rate)
  })
}
