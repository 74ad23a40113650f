/** Numbers from 0 to 1, the same ones for a seed: a linear congruential generator (Knuth's MMIX), which is good enough for examples. */
export function randomNumbers(seed) {
  let state = BigInt(seed)
  return () => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n)
    return Number(state >> 11n) / 2 ** 53
  }
}
