/** Values of bfloat16 between two powers of two. */
const STEPS = 2 ** 7
const LOWEST_EXPONENT = -126

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** The nearest value of bfloat16, ties to even, by arithmetic: as docs/reference/semantics.md defines it. @param value of float32 */
export function nearestBfloat16(value: number): number {
  if (!Number.isFinite(value) || value === 0) return value
  float[0] = value
  const exponent = Math.max(LOWEST_EXPONENT, ((bits[0]! >>> 23) & 0xff) - 127)
  const step = 2 ** exponent / STEPS
  const below = Math.floor(Math.abs(value) / step)
  const rest = Math.abs(value) / step - below
  const isUp = rest > 0.5 || (rest === 0.5 && below % 2 === 1)
  const size = (below + Number(isUp)) * step
  return Math.sign(value) * (size >= 2 ** 128 ? Infinity : size)
}
