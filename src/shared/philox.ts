/**
 * Philox 4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy
 * as 1, 2, 3" (SC 2011). A draw is a pure function of (key, counter): no state, no order, the same on every machine.
 */
const MULTIPLIER_0 = 0xd2511f53
const MULTIPLIER_1 = 0xcd9e8d57
const WEYL_0 = 0x9e3779b9
const WEYL_1 = 0xbb67ae85
const ROUNDS = 10

/** High 32 bits of the 64-bit product of two unsigned 32-bit integers. Four 16-bit products; BigInt is 50 times slower. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff
  const aHigh = a >>> 16
  const bLow = b & 0xffff
  const bHigh = b >>> 16
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16)
  const cross = aLow * bHigh + (middle & 0xffff)
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(cross / 0x10000)) >>> 0
}

/**
 * Writes four unsigned 32-bit random words to `out[0..3]`.
 * @param out at least four elements
 */
export function philox(
  out: Uint32Array,
  key0: number,
  key1: number,
  counter0: number,
  counter1: number,
  counter2: number,
  counter3: number,
): void {
  let k0 = key0 >>> 0
  let k1 = key1 >>> 0
  let c0 = counter0 >>> 0
  let c1 = counter1 >>> 0
  let c2 = counter2 >>> 0
  let c3 = counter3 >>> 0
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0)
    const low0 = Math.imul(MULTIPLIER_0, c0) >>> 0
    const high1 = multiplyHigh(MULTIPLIER_1, c2)
    const low1 = Math.imul(MULTIPLIER_1, c2) >>> 0
    c0 = (high1 ^ c1 ^ k0) >>> 0
    c2 = (high0 ^ c3 ^ k1) >>> 0
    c1 = low1
    c3 = low0
    k0 = (k0 + WEYL_0) >>> 0
    k1 = (k1 + WEYL_1) >>> 0
  }
  out[0] = c0
  out[1] = c1
  out[2] = c2
  out[3] = c3
}

/** What a random number is for. Part of the key, so that no two uses ever share a draw. */
export const PURPOSE = {
  initialise: 1,
  split: 2,
  shuffle: 3,
  augment: 4,
  dropout: 5,
} as const
export type Purpose = (typeof PURPOSE)[keyof typeof PURPOSE]

/**
 * Random numbers keyed by (seed, purpose, stream, item): `stream` is an epoch, step or tensor, `item` a sample, shard or element.
 * Every integer is below 2^32; a seed is an unsigned 32-bit integer.
 */
export class KeyedRandom {
  readonly #seed: number
  readonly #purpose: Purpose
  readonly #words = new Uint32Array(4)

  constructor(seed: number, purpose: Purpose) {
    this.#seed = seed
    this.#purpose = purpose
  }

  /** Four unsigned 32-bit words for (stream, item, draw). The array is reused by the next call. */
  words(stream: number, item: number, draw = 0): Uint32Array {
    philox(this.#words, this.#seed, this.#purpose, item, draw, stream, 0)
    return this.#words
  }

  /** A uniform integer in [0, bound), bound at most 2^32, free of modulo bias (rejection, keyed by a growing `draw`). */
  integerBelow(bound: number, stream: number, item: number): number {
    const limit = Math.floor(0x100000000 / bound) * bound
    for (let draw = 0; ; draw++) {
      const words = this.words(stream, item, draw)
      for (const word of words) if (word < limit) return word % bound
    }
  }
}

/** Maps an unsigned 32-bit word to [0, 1): 24 bits, so that the result is exact in float32 too. */
export function toUnit(word: number): number {
  return (word >>> 8) / 0x1000000
}
