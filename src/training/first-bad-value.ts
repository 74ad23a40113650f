import { nativeLoops, threadsFor } from '../shared/native-loops.js'

/** Far above any gradient of a sound training; its square is still a float32. */
const ABSURD = 1e18

/** @returns the index of the first value that is not finite or absurdly large; -1 when there is none */
export function firstBadValue(vector: Float32Array): number {
  const native = nativeLoops()
  if (native) return native.firstBad(vector, ABSURD, vector.length, threadsFor(vector.length))
  // A comparison with NaN is false, so that one test finds all three.
  for (let index = 0; index < vector.length; index++) if (!(Math.abs(vector[index]!) <= ABSURD)) return index
  return -1
}
