import { median } from './engine-benchmark.js'

/** The median of rounds, and behind it the smallest and the largest value where there are several: `471 (470 to 473)`. */
export function withRange(values: readonly number[], digits: number): string {
  if (values.length === 0) return '-'
  const middle = median(values).toFixed(digits)
  if (values.length === 1) return middle
  return `${middle} (${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)})`
}
