/** Far above any gradient of a sound training; its square is still a float32. */
const ABSURD = 1e18

/** @returns the index of the first value from `begin` to `end` that is not finite or absurdly large; -1 when there is none */
export function firstBadValue(vector: Float32Array, begin = 0, end = vector.length): number {
  // A comparison with NaN is false, so that one test finds all three.
  for (let index = begin; index < end; index++) if (!(Math.abs(vector[index]!) <= ABSURD)) return index
  return -1
}
