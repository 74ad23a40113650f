import type { Json } from '../../support/launch.js'

/**
 * What is wrong with the steps in the lines of a metrics.jsonl, for people; undefined when each of 1 to `steps` is there once and
 * in order.
 */
export function stepsViolation(lines: readonly Json[], steps: number): string | undefined {
  const seen = lines.filter(({ kind }) => kind === 'step').map(({ step }) => Number(step))
  const wrong = seen.findIndex((step, index) => step !== index + 1)
  if (wrong >= 0) return `step ${seen[wrong]} was reported where step ${wrong + 1} should be`
  return seen.length === steps ? undefined : `${seen.length} steps were reported where ${steps} should be`
}
