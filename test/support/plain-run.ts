import type { Images } from '../../src/data/dataset.js'
import type { GradientInput } from '../../src/tensorflow/engine/engine.js'
import type { ParameterLayout, ParameterTensor } from '../../src/model/parameter-layout.js'
import type { RunConfig } from '../../src/model/config/run-config.js'
import { philox } from '../../src/shared/philox.js'
import { nearestBfloat16 } from './nearest-bfloat16.js'

// A plain reference implementation of a run, written from docs/reference/semantics.md. It uses nothing of the code but philox
// (which has published vectors), the engine and the layout of the vectors. It covers a part of the page: samples without
// stratification, SGD with Nesterov momentum, the one-cycle schedule, no clipping.

const PURPOSES = { initialise: 1, split: 2, shuffle: 3, augment: 4, dropout: 5 }
type Purpose = keyof typeof PURPOSES

const f32 = Math.fround
const unit = (word: number): number => Math.floor(word / 2 ** 8) / 2 ** 24

export class PlainRun {
  readonly train: number[]
  readonly validation: number[]
  readonly test: number[]
  readonly #config: RunConfig
  readonly #dataset: Images
  readonly #orders = new Map<number, number[]>()
  readonly #words = new Uint32Array(4)

  constructor(config: RunConfig, dataset: Images) {
    this.#config = config
    this.#dataset = dataset
    const { count } = dataset
    const trained = Math.floor((7 * count) / 10)
    const validated = Math.ceil((count - trained) / 2)
    const order = this.#permutation(count, 'split', 0)
    const ascending = (samples: number[]): number[] => samples.sort((a, b) => a - b)
    this.train = ascending(order.slice(0, trained))
    this.validation = ascending(order.slice(trained, trained + validated))
    this.test = ascending(order.slice(trained + validated))
  }

  words(purpose: Purpose, stream: number, item: number, draw = 0): [number, number, number, number] {
    philox(this.#words, this.#config.seed, PURPOSES[purpose], item, draw, stream, 0)
    return [...this.#words] as [number, number, number, number]
  }

  #permutation(count: number, purpose: Purpose, stream: number): number[] {
    const order = Array.from({ length: count }, (_, index) => index)
    for (let last = count - 1; last >= 1; last--) {
      const limit = Math.floor(2 ** 32 / (last + 1)) * (last + 1)
      let accepted: number | undefined
      for (let draw = 0; accepted === undefined; draw++)
        accepted = this.words(purpose, stream, last, draw).find((word) => word < limit)
      const chosen = accepted % (last + 1)
      ;[order[last], order[chosen]] = [order[chosen]!, order[last]!]
    }
    return order
  }

  /** The samples of a shard, in order. */
  samples(step: number, shard: number): { sample: number; epoch: number }[] {
    const { batchSize, shardSize } = this.#config
    return Array.from({ length: shardSize }, (_, index) => {
      const position = step * batchSize + shard * shardSize + index
      const epoch = Math.floor(position / this.train.length)
      let order = this.#orders.get(epoch)
      if (order === undefined) this.#orders.set(epoch, (order = this.#permutation(this.train.length, 'shuffle', epoch)))
      return { sample: this.train[order[position - epoch * this.train.length]!]!, epoch }
    })
  }

  /** A transform of eight numbers, before rounding to float32. */
  transform(sample: number, epoch: number): number[] {
    const { horizontalFlip, rotationDegrees, zoom } = this.#config.augmentation
    const { width, height } = this.#dataset
    const [w0, w1, w2] = this.words('augment', epoch, sample)
    const mirror = horizontalFlip && unit(w0) < 0.5 ? -1 : 1
    const radians = ((2 * unit(w1) - 1) * rotationDegrees * Math.PI) / 180
    const scale = 1 + (2 * unit(w2) - 1) * zoom
    const [cx, cy] = [(width - 1) / 2, (height - 1) / 2]
    const [sin, cos] = sinAndCos(radians)
    const [a0, a1] = [mirror * scale * cos, -mirror * scale * sin]
    const [b0, b1] = [scale * sin, scale * cos]
    return [a0, a1, cx - a0 * cx - a1 * cy, b0, b1, cy - b0 * cx - b1 * cy, 0, 0]
  }

  gather(samples: readonly number[]): { inputs: Uint8Array[]; targets: [Int32Array] } {
    const { pixels, labels, height, width, channels } = this.#dataset
    const size = height * width * channels
    return {
      inputs: [Uint8Array.from(samples.flatMap((sample) => [...pixels.subarray(sample * size, (sample + 1) * size)]))],
      targets: [Int32Array.from(samples, (sample) => labels[sample]!)],
    }
  }

  /** The engine's input for a shard. */
  gradientInput(step: number, shard: number): GradientInput & { targets: [Int32Array] } {
    const drawn = this.samples(step, shard)
    const [w0, w1] = this.words('dropout', step, shard)
    return {
      ...this.gather(drawn.map(({ sample }) => sample)),
      transforms: Float32Array.from(drawn.flatMap(({ sample, epoch }) => this.transform(sample, epoch))),
      dropoutKey: [w0 | 0, w1 | 0],
    }
  }

  initialWeights({ tensors, weightCount }: ParameterLayout): Float32Array {
    const weights = new Float32Array(weightCount)
    for (const [index, { name, shape, offset, size }] of tensors.entries()) {
      if (/\/(gamma|moving_variance)$/.test(name)) weights.fill(1, offset, offset + size)
      if (!name.endsWith('/kernel')) continue
      const limit =
        shape.length === 4
          ? Math.sqrt((3 * 2) / (shape[0]! * shape[1]! * shape[2]!))
          : Math.sqrt((3 * 1) / ((shape[0]! + shape[1]!) / 2))
      for (let element = 0; element < size; element++) {
        const word = this.words('initialise', index, Math.floor(element / 4))[element % 4]!
        weights[offset + element] = (2 * unit(word) - 1) * limit
      }
    }
    return weights
  }

  /**
   * Trains.
   * @param gradient of a shard, from the engine
   * @returns the weights after each of `after` steps
   */
  weightsAfter(
    after: readonly number[],
    layout: ParameterLayout,
    gradient: (weights: Float32Array, input: GradientInput) => Float32Array,
  ): Float32Array[] {
    const { batchSize, shardSize, epochs, optimizer, schedule, clipNorm, stratified, network, wire } = this.#config
    if (
      optimizer.kind !== 'sgd' ||
      !optimizer.nesterov ||
      schedule.kind !== 'one-cycle' ||
      clipNorm !== null ||
      stratified
    )
      throw new Error('not written for this configuration')
    const { momentum } = optimizer
    const weights = this.initialWeights(layout)
    const velocity = new Float32Array(layout.trainableCount)
    const reg = layout.tensors.flatMap(({ name, size }: ParameterTensor) =>
      new Array<number>(size).fill(name.endsWith('/kernel') ? network.reg : 0),
    )
    const total = Math.ceil((epochs * this.train.length) / batchSize)
    const shards = batchSize / shardSize
    const kept: Float32Array[] = []
    for (let step = 0; step < Math.max(...after); step++) {
      const vectors = Array.from({ length: shards }, (_, shard) => gradient(weights, this.gradientInput(step, shard)))
      const sum = treeSum(vectors, wire === 'bfloat16' ? layout.trainableCount : 0)
      const rate = oneCycle(schedule, step, total)
      for (let t = 0; t < layout.trainableCount; t++) {
        const g = f32(sum[t]! / batchSize + 2 * reg[t]! * weights[t]!)
        const v = f32(momentum * velocity[t]! + g)
        velocity[t] = v
        weights[t] = weights[t]! - rate * (g + momentum * v)
      }
      for (let t = layout.trainableCount; t < layout.weightCount; t++)
        weights[t] = 0.9 * weights[t]! + ((1 - 0.9) * sum[t]!) / shards
      if (after.includes(step + 1)) kept.push(weights.slice())
    }
    return kept
  }
}

/** Sums pairs level by level; a last vector without a partner moves up unchanged. @param rounded elements of each vector, from the first */
function treeSum(vectors: readonly Float32Array[], rounded: number): Float32Array {
  const node = (vector: Float32Array): Float32Array =>
    vector.map((value, index) => (index < rounded ? nearestBfloat16(value) : value))
  let level = vectors.map(node)
  while (level.length > 1) {
    const next: Float32Array[] = []
    for (let left = 0; left < level.length; left += 2) {
      const right = level[left + 1]
      next.push(right === undefined ? level[left]! : node(level[left]!.map((value, index) => value + right[index]!)))
    }
    level = next
  }
  return level[0]!
}

function oneCycle(
  { peak, warmup, initial, final }: { peak: number; warmup: number; initial: number; final: number },
  step: number,
  total: number,
): number {
  const half = (from: number, to: number, q: number): number =>
    to + ((from - to) * (1 + sinAndCos(Math.PI * Math.min(1, q))[1])) / 2
  const p = step / (total - 1)
  return p < warmup ? half(initial * peak, peak, p / warmup) : half(peak, final * peak, (p - warmup) / (1 - warmup))
}

function sinAndCos(x: number): [sin: number, cos: number] {
  const square = x * x
  let [s, c] = [0, 0]
  for (let k = 14; k >= 1; k--) {
    s = (-square / (2 * k * (2 * k + 1))) * (1 + s)
    c = (-square / ((2 * k - 1) * (2 * k))) * (1 + c)
  }
  return [x * (1 + s), 1 + c]
}
