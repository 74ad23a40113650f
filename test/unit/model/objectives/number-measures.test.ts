import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { numberMeasures } from '../../../../src/model/objectives/number-measures.js'
import type { Objective } from '../../../../src/model/objectives/objective.js'

const objective = (size: number): Objective => ({ name: 'y', kind: 'numbers', loss: 'meanSquaredError', size })

/** Sums of `[prediction, target]` pairs of each output, as an engine makes them. */
function sumsOf(outputs: readonly (readonly (readonly [number, number])[])[], means: readonly number[]): number[] {
  return outputs.flatMap((pairs, output) =>
    [
      (p: number, t: number) => Math.abs(p - t),
      (p: number, t: number) => (p - t) ** 2,
      (_: number, t: number) => t - means[output]!,
      (_: number, t: number) => (t - means[output]!) ** 2,
    ].map((valueOf) => pairs.reduce((sum, [p, t]) => sum + valueOf(p, t), 0)),
  )
}

describe('the measures of numbers', () => {
  const first = [
    [2.5, 3],
    [0, -0.5],
    [2, 2],
    [8, 7],
  ] as const

  it('are those of the definitions', () => {
    const { mae, rmse, r2 } = numberMeasures(sumsOf([first], [1]), objective(1), 4)
    assert.equal(mae, 0.5)
    assert.equal(rmse, Math.sqrt(0.375))
    // scikit-learn's documentation of r2_score has this example, rounded to 0.948.
    assert.ok(Math.abs(r2! - (1 - 1.5 / 29.1875)) < 1e-12)
  })

  it('are means over the outputs', () => {
    const second = first.map(([p, t]) => [10 * p, 10 * t] as const)
    const { mae, rmse, r2 } = numberMeasures(sumsOf([first, second], [1, 20]), objective(2), 4)
    assert.equal(mae, (0.5 + 5) / 2)
    assert.equal(rmse, Math.sqrt((0.375 + 37.5) / 2))
    assert.ok(Math.abs(r2! - (1 - 1.5 / 29.1875)) < 1e-12)
  })

  it('have no R² where all targets are equal', () => {
    const pairs = [
      [1, 5],
      [2, 5],
    ] as const
    const measures = numberMeasures(sumsOf([pairs], [5]), objective(1), 2)
    assert.deepEqual(Object.keys(measures), ['mae', 'rmse'])
  })
})
