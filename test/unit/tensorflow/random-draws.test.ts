import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  augmentationRandom,
  augmentationSchema,
  drawTransform,
  TRANSFORM_LENGTH,
} from '../../../src/data/sampling/augmentation.js'
import { FusedOps } from '../../../src/tensorflow/engine/fused-ops.js'
import { loadTensorflow } from '../../../src/tensorflow/runtime/load-tensorflow.js'
import { KeyedRandom, PURPOSE } from '../../../src/shared/philox.js'

// Seeds are fixed, so no check fails by chance. Of other seeds, fewer than one in 10,000 would fail: each of the fewer than
// 1,000 checks has an error probability of 4e-8 at most.

/** Standard deviations of a normal distribution, exceeded with probability 4e-8. */
const MAX_DEVIATIONS = 5.5
/** Kolmogorov and Smirnov's distance, times sqrt(n). Massart (1990): P(D sqrt(n) > t) <= 2 exp(-2 t^2), for every n. */
const MAX_DISTANCE = 3

function isUniform(values: readonly number[], from: number, to: number, what: string): void {
  const shares = values.map((value) => (value - from) / (to - from)).sort((a, b) => a - b)
  const n = shares.length
  const distances = shares.map((share, rank) => Math.max((rank + 1) / n - share, share - rank / n))
  const distance = Math.max(...distances) * Math.sqrt(n)
  assert.ok(distance < MAX_DISTANCE, `${what} are not uniform: distance ${distance}`)
}

/** Checks the share of ones among zeros and ones. */
function hasShare(values: readonly number[], share: number, what: string): void {
  const n = values.length
  const ones = values.reduce((sum, value) => sum + value, 0)
  const deviations = (ones - n * share) / Math.sqrt(n * share * (1 - share))
  assert.ok(Math.abs(deviations) < MAX_DEVIATIONS, `${what}: ${ones} of ${n}, ${deviations} deviations from ${share}`)
}

/** The correlation of independent values, times sqrt(n), is nearly normal. */
function areUnrelated(a: readonly number[], b: readonly number[], what: string): void {
  const centred = (values: readonly number[]): number[] => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    return values.map((value) => value - mean)
  }
  const [x, y] = [centred(a), centred(b)]
  const dot = (p: readonly number[], q: readonly number[]): number =>
    p.reduce((sum, value, i) => sum + value * q[i]!, 0)
  const deviations = (dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y))) * Math.sqrt(x.length)
  assert.ok(Math.abs(deviations) < MAX_DEVIATIONS, `${what} are related: ${deviations} deviations`)
}

describe('flip, rotation and zoom', () => {
  const SAMPLES = 4_000
  const config = augmentationSchema.parse({})
  const random = augmentationRandom(3)
  const out = new Float32Array(TRANSFORM_LENGTH)

  interface Drawn {
    readonly flip: number
    readonly degrees: number
    readonly zoom: number
  }
  const QUANTITIES = ['flip', 'degrees', 'zoom'] as const

  function draw(epoch: number, sample: number): Drawn {
    drawTransform(out, 0, config, { height: 32, width: 32 }, random, epoch, sample)
    const [a0, , , b0, b1] = out as unknown as number[]
    const degrees = (Math.atan2(b0!, b1!) * 180) / Math.PI
    return { flip: Number(a0! < 0), degrees, zoom: Math.hypot(b0!, b1!) }
  }
  const range = Array.from({ length: SAMPLES }, (_, index) => index)
  const SERIES: Record<string, Drawn[]> = {
    'of all samples in epoch 0': range.map((sample) => draw(0, sample)),
    'of all samples in epoch 1': range.map((sample) => draw(1, sample)),
    'of all samples in epoch 2': range.map((sample) => draw(2, sample)),
    'of sample 0 in all epochs': range.map((epoch) => draw(epoch, 0)),
    'of sample 1 in all epochs': range.map((epoch) => draw(epoch, 1)),
    'of sample 41,999 in all epochs': range.map((epoch) => draw(epoch, 41_999)),
  }
  const column = (drawn: readonly Drawn[], quantity: keyof Drawn): number[] => drawn.map((one) => one[quantity])

  for (const [name, drawn] of Object.entries(SERIES)) {
    it(`are distributed as stated, ${name}`, () => {
      isUniform(column(drawn, 'degrees'), -20, 20, 'rotations')
      isUniform(column(drawn, 'zoom'), 0.9, 1.1, 'zooms')
      hasShare(column(drawn, 'flip'), 0.5, 'flips')
    })

    it(`are independent of each other and of earlier ones, ${name}`, () => {
      const [flip, degrees, zoom] = QUANTITIES.map((quantity) => column(drawn, quantity)) as [
        number[],
        number[],
        number[],
      ]
      const size = degrees.map(Math.abs)
      const change = zoom.map((value) => Math.abs(value - 1))
      areUnrelated(flip, degrees, 'flips and rotations')
      areUnrelated(flip, zoom, 'flips and zooms')
      areUnrelated(flip, size, 'flips and sizes of rotations')
      areUnrelated(degrees, zoom, 'rotations and zooms')
      areUnrelated(size, change, 'sizes of rotations and zooms')
      for (const values of [flip, degrees, zoom, size, change])
        for (const lag of [1, 2, 32]) areUnrelated(values.slice(lag), values.slice(0, -lag), `values ${lag} apart`)
    })
  }

  it('are independent between epochs and samples', () => {
    const names = Object.keys(SERIES)
    names.forEach((a, index) => {
      for (const b of names.slice(index + 1))
        for (const quantity of QUANTITIES)
          areUnrelated(column(SERIES[a]!, quantity), column(SERIES[b]!, quantity), `${quantity} ${a} and ${b}`)
    })
  })
})

describe('dropout', () => {
  const { tf } = loadTensorflow()
  const ops = new FusedOps(tf)
  const LENGTH = 4_096

  /** 1 where an element is kept. */
  function mask(step: number, shard: number, layer: number, rate: number): number[] {
    return tf.tidy(() => {
      const [key0, key1] = new KeyedRandom(3, PURPOSE.dropout).words(step, shard)
      const key = tf.tensor1d(Int32Array.from([key0! | 0, (key1! + layer) | 0]), 'int32')
      return Array.from(ops.dropout(tf.ones([LENGTH]), rate, key).dataSync(), (value) => Number(value > 0))
    })
  }

  it('keeps the share given by its rate', () => {
    for (const rate of [0.05, 0.2, 0.5, 0.9]) hasShare(mask(0, 0, 0, rate), 1 - rate, `rate ${rate}`)
  })

  it('has independent masks for layers, shards and steps', () => {
    const masks: { name: string; kept: number[] }[] = []
    for (const step of [0, 1, 1000])
      for (const shard of [0, 1, 3])
        for (const layer of [0, 1, 2])
          masks.push({ name: `step ${step}, shard ${shard}, layer ${layer}`, kept: mask(step, shard, layer, 0.3) })
    masks.forEach(({ name, kept }, index) => {
      hasShare(kept, 0.7, name)
      for (const lag of [1, 4]) areUnrelated(kept.slice(lag), kept.slice(0, -lag), `${name}, ${lag} apart`)
      for (const other of masks.slice(index + 1)) areUnrelated(kept, other.kept, `${name} and ${other.name}`)
    })
  })
})
