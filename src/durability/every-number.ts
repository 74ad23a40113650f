/** JSON has no such numbers: they are written as text. */
export const NOT_FINITE = ['NaN', 'Infinity', '-Infinity'] as const

/** For JSON.stringify. */
export function writeEveryNumber(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
}
