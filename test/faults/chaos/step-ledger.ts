import type { Json } from '../../support/launch.js'

/**
 * A message about wrong steps in the lines of a metrics.jsonl; undefined when each of 1 to `steps` occurs once and
 * in order.
 */
export function stepsViolation(lines: readonly Json[], steps: number): string | undefined {
  const seen = lines.filter(({ kind }) => kind === 'step').map(({ step }) => Number(step))
  const wrong = seen.findIndex((step, index) => step !== index + 1)
  if (wrong >= 0) return `step ${seen[wrong]} was reported where step ${wrong + 1} should be`
  return seen.length === steps ? undefined : `${seen.length} steps were reported where ${steps} should be`
}
