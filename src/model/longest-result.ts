import { evaluationLength } from './objectives/evaluation.js'
import type { ModelDescription } from './parameter-layout.js'
import { gradientLength } from './parameter-layout.js'

/** Floats of the longest vector that a worker computes: the gradient, unless a small model has many classes. */
export function longestResult(model: ModelDescription): number {
  return Math.max(gradientLength(model.layout), evaluationLength(model))
}
