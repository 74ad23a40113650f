/**
 * Sine and cosine from additions and multiplications alone. Math.sin and Math.cos may differ in the last bit between
 * versions of V8; everything here is exact IEEE 754 arithmetic in a fixed order, so every machine gets the same bits.
 */
const TERMS = 14

/**
 * Taylor series about zero; for |angle| <= pi the error is below 1e-15 relative to 1.
 * @param angle radians, |angle| <= pi
 */
export function sineAndCosine(angle: number): { sine: number; cosine: number } {
  const square = angle * angle
  let sine = 0
  let cosine = 0
  // Horner's scheme from the highest term down: 1 - x²/(a·b)·(1 - …).
  for (let term = TERMS; term >= 1; term--) {
    sine = (-square / (2 * term * (2 * term + 1))) * (1 + sine)
    cosine = (-square / ((2 * term - 1) * (2 * term))) * (1 + cosine)
  }
  return { sine: angle * (1 + sine), cosine: 1 + cosine }
}
