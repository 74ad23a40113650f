import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { binaryMeasures, binarySumsLength, BINS } from '../../../../src/model/objectives/binary-measures.js'
import type { Objective } from '../../../../src/model/objectives/objective.js'
import { philox } from '../../../../src/shared/philox.js'

const objective = (size: number): Objective => ({ name: 'y', kind: 'binary', loss: 'binaryCrossentropy', size })

type Sample = readonly [probability: number, isYes: boolean]

/** Counts by bin, as an engine makes them. */
function sumsOf(...numbers: readonly (readonly Sample[])[]): Float32Array {
  const sums = new Float32Array(binarySumsLength(objective(numbers.length)))
  for (const [number, samples] of numbers.entries())
    for (const [probability, isYes] of samples)
      sums[(2 * number + Number(isYes)) * BINS + Math.min(BINS - 1, Math.floor(probability * BINS))]!++
  return sums
}

describe('the measures of yes and no', () => {
  const four: readonly Sample[] = [
    [0.1, false],
    [0.4, false],
    [0.35, true],
    [0.8, true],
  ]

  it('are those of the definitions', () => {
    const { accuracy, metrics } = binaryMeasures(sumsOf(four), objective(1))
    assert.equal(accuracy, 0.75)
    // scikit-learn's documentation of roc_auc_score has these four samples: 0.75.
    assert.deepEqual(metrics, { precision: 1, recall: 0.5, f1: 2 / 3, auc: 0.75 })
  })

  it('are means over the numbers', () => {
    const opposite = four.map(([probability, isYes]): Sample => [probability, !isYes])
    const { accuracy, metrics } = binaryMeasures(sumsOf(four, opposite), objective(2))
    assert.equal(accuracy, (0.75 + 0.25) / 2)
    assert.equal(metrics['auc'], 0.5)
    assert.equal(metrics['precision'], 0.5)
  })

  it('have the area of all pairs to a thousandth of the probability', () => {
    const words = new Uint32Array(4)
    const samples = Array.from({ length: 400 }, (_, index): Sample => {
      philox(words, 1, 2, index, 0, 0, 0)
      const isYes = words[0]! % 3 === 0
      return [(words[1]! / 2 ** 32) * 0.7 + (isYes ? 0.3 : 0), isYes]
    })
    const [yes, no] = [samples.filter(([, isYes]) => isYes), samples.filter(([, isYes]) => !isYes)]
    const right = yes.flatMap(([p]) => no.map(([q]) => (p > q ? 1 : p === q ? 0.5 : 0) as number))
    const area = right.reduce((sum, one) => sum + one, 0) / right.length
    const { metrics } = binaryMeasures(sumsOf(samples), objective(1))
    assert.ok(Math.abs(metrics['auc']! - area) < 1e-3, `${metrics['auc']} ${area}`)
  })

  it('take a yes and a no in one bin for equally probable, and a probability of a half for a yes', () => {
    const { accuracy, metrics } = binaryMeasures(
      sumsOf([
        [0.5003, false],
        [0.5007, true],
        [0.499, false],
      ]),
      objective(1),
    )
    assert.deepEqual([accuracy, metrics['auc'], metrics['precision']], [2 / 3, 0.75, 0.5])
  })

  it('have no area where all targets are the same, and count nothing as 0', () => {
    const { accuracy, metrics } = binaryMeasures(sumsOf([[0.2, false]]), objective(1))
    assert.deepEqual([accuracy, metrics], [1, { precision: 0, recall: 0, f1: 0 }])
  })
})
