import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { KeyedRandom, philox, PURPOSE, toUnit } from '../../../src/shared/philox.js'

// Known-answer vectors of Random123's kat_vectors file for philox4x32, 10 rounds.
const VECTORS: { counter: number[]; key: number[]; words: number[] }[] = [
  { counter: [0, 0, 0, 0], key: [0, 0], words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
  {
    counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    key: [0xffffffff, 0xffffffff],
    words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  },
  {
    counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    key: [0xa4093822, 0x299f31d0],
    words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  },
]

test('Philox 4x32-10 gives the published vectors', () => {
  for (const { counter, key, words } of VECTORS) {
    const out = new Uint32Array(4)
    philox(out, key[0]!, key[1]!, counter[0]!, counter[1]!, counter[2]!, counter[3]!)
    assert.deepEqual([...out], words)
  }
})

test('a draw depends only on seed, purpose, stream and item, not on earlier draws', () => {
  const fresh = [...new KeyedRandom(7, PURPOSE.augment).words(3, 11)]
  const used = new KeyedRandom(7, PURPOSE.augment)
  used.words(1, 2)
  assert.deepEqual([...used.words(3, 11)], fresh)
  for (const other of [
    new KeyedRandom(8, PURPOSE.augment).words(3, 11),
    new KeyedRandom(7, PURPOSE.shuffle).words(3, 11),
    new KeyedRandom(7, PURPOSE.augment).words(4, 11),
    new KeyedRandom(7, PURPOSE.augment).words(3, 12),
  ]) {
    assert.notDeepEqual([...other], fresh)
  }
})

test('integerBelow stays in its range and reaches both ends', () => {
  const random = new KeyedRandom(1, PURPOSE.shuffle)
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 0x100000000 }), fc.nat(), (bound, item) => {
      const drawn = random.integerBelow(bound, 0, item)
      return Number.isInteger(drawn) && drawn >= 0 && drawn < bound
    }),
  )
  const seen = new Set(Array.from({ length: 200 }, (_, item) => random.integerBelow(5, 0, item)))
  assert.deepEqual([...seen].sort(), [0, 1, 2, 3, 4])
})

test('integerBelow skips words that would make some numbers more frequent', () => {
  const random = new KeyedRandom(1, PURPOSE.shuffle)
  // Just above half of all words, so that nearly every second word is skipped.
  const bound = 2 ** 31 + 1
  let passedOver = 0
  for (let item = 0; item < 50; item++) {
    const words = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((draw) => [...random.words(0, item, draw)])
    assert.equal(
      random.integerBelow(bound, 0, item),
      words.find((word) => word < bound)!,
    )
    passedOver += Number(words[0]! >= bound)
  }
  assert.ok(passedOver > 0)
})

test('toUnit is exact in float32 and below 1', () => {
  assert.equal(toUnit(0), 0)
  assert.equal(toUnit(0xffffffff), Math.fround(toUnit(0xffffffff)))
  assert.ok(Math.fround(toUnit(0xffffffff)) < 1)
})
