import { sineAndCosine } from '../../shared/trigonometry.js'

/** Half a cosine wave from `from` (progress 0) to `to` (progress 1). */
export function halfCosine(from: number, to: number, progress: number): number {
  return to + ((from - to) * (1 + sineAndCosine(Math.PI * Math.min(1, progress)).cosine)) / 2
}
