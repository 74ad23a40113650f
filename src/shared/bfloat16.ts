import { nativeLoops } from './native-loops.js'

/** Bits of a float32 whose absolute value is infinity. Those of NaN are larger. */
const INFINITE = 0x7f800000

/**
 * Rounds float32 values to the nearest of bfloat16, ties to even, in place: of the 32 bits the upper 16 stay. Infinity and NaN stay what they
 * are; a finite value from 2^128 - 2^119 on becomes infinity.
 * @param count values that are rounded, from the first
 */
export function roundToBfloat16(vector: Float32Array, count: number): void {
  const native = nativeLoops()
  if (native) return native.round(vector, count)
  const bits = new Uint32Array(vector.buffer, vector.byteOffset, count)
  for (let index = 0; index < count; index++) bits[index] = roundedBits(bits[index]!)
}

/** Half of what the lower 16 bits count, and a little more where the upper ones are odd: carries where the value is rounded up. */
function roundedBits(bits: number): number {
  const isNan = (bits & 0x7fffffff) > INFINITE
  return (isNan ? bits | 0x00400000 : bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000
}

/**
 * Packs the first values of a vector, which are values of bfloat16, two bytes each, where they lie: there is no second vector. What follows
 * them stays. The vector is of no use afterwards.
 * @returns the packed values (little-endian), then the others as float32: `4 * vector.length - 2 * count` bytes of the vector's memory
 */
export function packBfloat16(vector: Float32Array, count: number): Buffer {
  const native = nativeLoops()
  if (native) native.pack(vector, count)
  else {
    const halves = new Uint16Array(vector.buffer, vector.byteOffset, 2 * count)
    // From the last one: no value is written over before it is read.
    for (let index = count - 1; index >= 0; index--) halves[count + index] = halves[2 * index + 1]!
  }
  return packedBytes(vector, count)
}

/** The bytes of a vector in which {@link packBfloat16} leaves it, and from which {@link unpackBfloat16} takes it. */
export function packedBytes(vector: Float32Array, count: number): Buffer {
  return Buffer.from(vector.buffer, vector.byteOffset + 2 * count, vector.byteLength - 2 * count)
}

/**
 * Undoes {@link packBfloat16} for the values from `begin` to `end`; those before must be done.
 * @param count packed values of the vector
 */
export function unpackBfloat16(vector: Float32Array, count: number, begin: number, end: number): void {
  const native = nativeLoops()
  if (native) return native.unpack(vector, count, begin, end)
  const halves = new Uint16Array(vector.buffer, vector.byteOffset, 2 * count)
  for (let index = begin; index < end; index++) {
    const upper = halves[count + index]!
    halves[2 * index] = 0
    halves[2 * index + 1] = upper
  }
}
