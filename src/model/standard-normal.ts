/** Series of 2 · atanh((m - 1) / (m + 1)) for the natural logarithm of m in [1, 2): the next term is below the last bit. */
const LOGARITHM_TERMS = 18

/**
 * A standard normal value of a random word: the inverse of the distribution function, by algorithm AS 241 (PPND7) of Wichura 1988, to 7 digits.
 * Sums, products, quotients and square roots alone: the same bits in every version of JavaScript.
 * @param word unsigned 32-bit; its upper 24 bits decide
 * @returns within 5.5 of 0
 */
export function standardNormal(word: number): number {
  // In (0, 1), as far from 0 as from 1.
  const odd = 2 * (word >>> 8) + 1
  const q = odd / 2 ** 25 - 0.5
  if (Math.abs(q) <= 0.425) {
    const r = 0.180625 - q * q
    return (
      (q * (((59.10937472 * r + 159.29113202) * r + 50.434271938) * r + 3.3871327179)) /
      (((67.18756363 * r + 78.757757664) * r + 17.895169469) * r + 1)
    )
  }
  const r = Math.sqrt(-logarithm(q < 0 ? odd : 2 ** 25 - odd))
  return q < 0 ? -tail(r) : tail(r)
}

/** @param r square root of -log of the probability beyond */
function tail(r: number): number {
  if (r <= 5) {
    const s = r - 1.6
    return (
      (((0.17023821103 * s + 1.3067284816) * s + 2.75681539) * s + 1.4234372777) /
      ((0.12021132975 * s + 0.7370016425) * s + 1)
    )
  }
  const s = r - 5
  return (
    (((0.017337203997 * s + 0.42868294337) * s + 3.081226386) * s + 6.657905115) /
    ((0.012258202635 * s + 0.24197894225) * s + 1)
  )
}

/** Natural logarithm of `odd / 2^25`. */
function logarithm(odd: number): number {
  const exponent = 31 - Math.clz32(odd)
  const m = odd / 2 ** exponent
  const s = (m - 1) / (m + 1)
  let sum = 0
  for (let term = LOGARITHM_TERMS; term >= 0; term--) sum = sum * s * s + 1 / (2 * term + 1)
  return 2 * s * sum + (exponent - 25) * Math.LN2
}
