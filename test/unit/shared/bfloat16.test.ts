import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { packBfloat16, roundToBfloat16, unpackBfloat16 } from '../../../src/shared/bfloat16.js'
import { withoutNativeLoops } from '../../../src/shared/native-loops.js'
import { nearestBfloat16 } from '../../support/nearest-bfloat16.js'

/** Once on native loops, once on TypeScript's. */
function onBoth(run: () => void): void {
  run()
  withoutNativeLoops(run)
}

function fromBits(...bits: readonly number[]): Float32Array<ArrayBuffer> {
  return new Float32Array(Uint32Array.from(bits).buffer)
}

function toBits(vector: Float32Array): number[] {
  return [...new Uint32Array(vector.buffer, vector.byteOffset, vector.length)]
}

const floatBits = fc.array(fc.integer({ min: 0, max: 0xffffffff }), { minLength: 1, maxLength: 3_000 })

describe('rounding to bfloat16', () => {
  for (const [name, before, after] of [
    ['a value of bfloat16 stays', 0x3f810000, 0x3f810000],
    ['below the middle goes down', 0x3f817fff, 0x3f810000],
    ['above the middle goes up', 0x3f808001, 0x3f810000],
    ['the middle goes down to an even value', 0x3f808000, 0x3f800000],
    ['the middle goes up to an even value', 0x3f818000, 0x3f820000],
    ['a carry goes into the exponent', 0x3fffffff, 0x40000000],
    ['a negative value goes to the nearest too', 0xbf818000, 0xbf820000],
    ['minus zero keeps its sign', 0x80000000, 0x80000000],
    ['the smallest number becomes zero', 0x00000001, 0x00000000],
    ['numbers below the normal ones are rounded, not flushed', 0x00018000, 0x00020000],
    ['infinity stays', 0x7f800000, 0x7f800000],
    ['minus infinity stays', 0xff800000, 0xff800000],
    ['the largest number becomes infinity', 0x7f7fffff, 0x7f800000],
    ['below the last middle a number stays finite', 0x7f7f7fff, 0x7f7f0000],
    ['NaN stays NaN where only its lower bits say so', 0x7f800001, 0x7fc00000],
    ['NaN stays NaN where all bits say so', 0xffffffff, 0xffff0000],
  ] as const)
    it(`${name}: ${before.toString(16)}`, () => {
      onBoth(() => {
        const vector = fromBits(...new Array<number>(40).fill(before))
        roundToBfloat16(vector, 40)
        assert.deepEqual(new Set(toBits(vector)), new Set([after]))
      })
    })

  it('of any numbers is that of the definition, and a second one changes nothing', () => {
    fc.assert(
      fc.property(floatBits, (bits) => {
        onBoth(() => {
          const vector = fromBits(...bits)
          const expected = vector.map(nearestBfloat16)
          roundToBfloat16(vector, vector.length)
          assert.deepEqual([...vector], [...expected])
          const again = vector.slice()
          roundToBfloat16(again, again.length)
          assert.deepEqual(toBits(again), toBits(vector))
        })
      }),
    )
  })

  it('leaves what follows the first values as it is', () => {
    onBoth(() => {
      const vector = fromBits(1, ...new Array<number>(50).fill(0x3f817fff)).subarray(1)
      roundToBfloat16(vector, 33)
      assert.deepEqual(toBits(vector), [
        ...new Array<number>(33).fill(0x3f810000),
        ...new Array<number>(17).fill(0x3f817fff),
      ])
    })
  })
})

describe('packed vectors of bfloat16', () => {
  it('have two bytes for each of the first values, then the others, and lose nothing', () => {
    fc.assert(
      fc.property(floatBits, fc.integer({ min: 0, max: 3_000 }), fc.infiniteStream(fc.nat()), (bits, most, cuts) => {
        onBoth(() => {
          const vector = fromBits(7, ...bits).subarray(1)
          const count = Math.min(most, vector.length)
          roundToBfloat16(vector, count)
          const expected = toBits(vector)
          const packed = packBfloat16(vector, count)
          const others = Buffer.from(Uint32Array.from(expected.slice(count)).buffer)
          const halves = Buffer.from(Uint16Array.from(expected.slice(0, count), (one) => one >>> 16).buffer)
          assert.ok(packed.equals(Buffer.concat([halves, others])))
          assert.equal(packed.buffer, vector.buffer)
          for (let begin = 0; begin < count;) {
            const end = Math.min(count, begin + 1 + ((cuts.next().value as number) % 2_000))
            unpackBfloat16(vector, count, begin, end)
            begin = end
          }
          assert.deepEqual(toBits(vector), expected)
          assert.equal(new Uint32Array(vector.buffer)[0], 7)
        })
      }),
    )
  })
})
