import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { packBfloat16, roundToBfloat16, unpackBfloat16 } from '../../../src/shared/bfloat16.js'
import { bytesOf } from '../../../src/shared/bytes-of.js'
import { copyWithCrc32 } from '../../../src/shared/copy-with-crc32.js'
import { nativeLoops, nativeLoopsProblem, withoutNativeLoops } from '../../../src/shared/native-loops.js'
import { philox } from '../../../src/shared/philox.js'
import { addInto } from '../../../src/shared/reduction-tree.js'
import { averageGradient } from '../../../src/training/average-gradient.js'
import { firstBadValue } from '../../../src/training/first-bad-value.js'
import { createOptimizer, update } from '../../../src/training/optimizers/optimizer.js'
import type { ParameterLayout } from '../../../src/model/parameter-layout.js'
import type { OptimizerConfig } from '../../../src/training/optimizers/optimizers.js'

/** No multiple of a vector register, and more than a block. */
const KERNEL = 9_001
const BIAS = 1_003
const LENGTH = KERNEL + BIAS
/** Begins and ends inside of both tensors. */
const PART = [13, LENGTH - 7] as const

const tensor = { initializer: { kind: 'constant', value: 0 }, trainable: true } as const
const layout: ParameterLayout = {
  tensors: [
    { ...tensor, name: 'kernel', shape: [1, KERNEL], offset: 0, size: KERNEL, l2: 1e-3 },
    { ...tensor, name: 'bias', shape: [BIAS], offset: KERNEL, size: BIAS, l2: 0 },
  ],
  trainableCount: LENGTH,
  weightCount: LENGTH,
  statisticsMomentum: 0.9,
}
const TENSORS = layout.tensors.map(({ offset, size, l2, shape }) => ({ offset, size, l2, decays: shape.length > 1 }))
const words = new Uint32Array(4)

/** Any float32 bits: both signs, all exponents, zeros and numbers below the normal ones; without `special`, nothing that is not finite. */
function anyBits(vector: number, special = false): Float32Array {
  const values = new Float32Array(LENGTH)
  const bits = new Uint32Array(values.buffer)
  for (let index = 0; index < LENGTH; index++) {
    philox(words, 11, 7, index, vector, 0, 0)
    const exponent = (words[0]! >>> 23) & 0xff
    const drawn = index % 97 === 0 ? words[0]! & 0x80000000 : words[0]!
    bits[index] = exponent === 0xff && !special ? drawn & 0xbfffffff : drawn
  }
  return values
}

/** Numbers as in a training. */
function noise(vector: number, factor: number): Float32Array {
  return Float32Array.from({ length: LENGTH }, (_, index) => {
    philox(words, 3, 5, index, vector, 0, 0)
    return (words[0]! / 2 ** 31 - 1) * factor
  })
}

/** Runs it on native loops and on TypeScript's. @param run returns vectors and numbers that it made */
function assertSame(run: () => (Float32Array | number)[]): void {
  const native = run()
  const expected = withoutNativeLoops(run)
  for (const [index, value] of native.entries()) {
    const other = expected[index]!
    if (typeof value === 'number') assert.ok(Object.is(value, other), `${value} is not ${other as number}`)
    else assert.ok(bytesOf(value).equals(bytesOf(other as Float32Array)), `vector ${index} has other bits`)
  }
}

describe('native loops give the bits of the TypeScript beside them', () => {
  it('and are there', () => {
    assert.equal(nativeLoopsProblem(), undefined)
    assert.ok(nativeLoops())
    assert.equal(
      withoutNativeLoops(() => nativeLoops()),
      undefined,
    )
  })

  it('for sums', () => {
    assertSame(() => {
      const left = noise(1, 1)
      addInto(left, noise(2, 1))
      return [left]
    })
    for (const special of [false, true])
      assertSame(() => {
        const left = anyBits(1)
        addInto(left, anyBits(2, special).fill(3, 100, 200))
        // Of NaN only that it is one is defined.
        return [left.map((value) => (Number.isNaN(value) ? NaN : value))]
      })
  })

  it('for sums that are rounded to bfloat16, and for the rounding alone', () => {
    for (const rounded of [0, 1, KERNEL, LENGTH])
      assertSame(() => {
        const [left, alone] = [noise(1, 1), anyBits(1, true)]
        addInto(left, noise(2, 1), 1, rounded)
        roundToBfloat16(alone, rounded)
        return [left, alone]
      })
    assertSame(() => {
      const left = anyBits(1)
      addInto(left, anyBits(2, true).fill(3, 100, 200), 1, LENGTH)
      // Of NaN only that it is one is defined.
      return [left.map((value) => (Number.isNaN(value) ? NaN : value))]
    })
  })

  it('for packed values of bfloat16', () => {
    for (const count of [0, 1, 1_023, 1_024, 1_025, KERNEL, LENGTH])
      assertSame(() => {
        const vector = anyBits(1, true)
        const packed = Float32Array.from(packBfloat16(vector, count))
        unpackBfloat16(vector, count, 0, count)
        return [packed, vector]
      })
  })

  it('for the first bad value', () => {
    for (const bad of [NaN, Infinity, -Infinity, 1.1e18, -1.1e18])
      for (const at of [0, PART[0], 4_108, 4_109, LENGTH - 8]) {
        const vector = noise(1, 1e18)
        vector[at] = bad
        vector[LENGTH - 1] = bad
        assertSame(() => [firstBadValue(vector)])
        assert.equal(firstBadValue(vector), at)
      }
    assert.equal(firstBadValue(noise(1, 1e18)), -1)
  })

  it('for the mean over the batch, L2 and the norm', () => {
    for (const batchSize of [128, 96, 1])
      assertSame(() => {
        const sum = noise(1, 50)
        return [...averageGradient(sum, noise(2, 0.1), batchSize, TENSORS, LENGTH - 7), sum]
      })
  })

  it('for copies with a checksum, of any length and place', () => {
    const source = bytesOf(anyBits(1))
    for (const length of [...Array.from({ length: 200 }, (_, index) => index), 4_096, source.length - 3])
      for (const at of [0, 5])
        assertSame(() => {
          const target = Buffer.from(new SharedArrayBuffer(length + 8))
          const crc = copyWithCrc32(target, at, source.subarray(3, 3 + length), 0xdebb20e3 - length)
          return [crc, Float32Array.from(target)]
        })
  })

  const optimizers: Record<string, OptimizerConfig> = {
    'SGD with Nesterov momentum': { kind: 'sgd', momentum: 0.9, nesterov: true },
    'SGD with momentum': { kind: 'sgd', momentum: 0.9, nesterov: false },
    AdamW: { kind: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.05 },
    RMSProp: { kind: 'rmsprop', decay: 0.9, momentum: 0.3, epsilon: 1e-7, centered: false },
    'centered RMSProp': { kind: 'rmsprop', decay: 0.9, momentum: 0.3, epsilon: 1e-7, centered: true },
    AdaGrad: { kind: 'adagrad', initialAccumulatorValue: 0.1, epsilon: 1e-7 },
    Adadelta: { kind: 'adadelta', rho: 0.95, epsilon: 1e-7 },
    AdaMax: { kind: 'adamax', beta1: 0.9, beta2: 0.999, epsilon: 1e-7, decay: 0.1 },
  }
  for (const [name, config] of Object.entries(optimizers))
    for (const scale of [1, 0.37])
      it(`for three steps of ${name}, gradients times ${scale}`, () => {
        for (const gradients of [(step: number) => noise(step, 0.3), (step: number) => anyBits(step)])
          assertSame(() => {
            const weights = noise(9, 0.1)
            const optimizer = createOptimizer(config, layout)
            for (let step = 1; step <= 3; step++)
              update(optimizer.step(0.01 / step), weights, gradients(step), scale, ...PART)
            return [weights, ...Object.values(optimizer.state.vectors)].map((vector) =>
              vector.map((value) => (Number.isNaN(value) ? NaN : value)),
            )
          })
      })
})
