import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Validation } from '../../../src/training/best-weights.js'
import { isBetter } from '../../../src/training/best-weights.js'

const at = (step: number, accuracy: number, loss: number): Validation => ({ step, accuracy, loss })

describe('the best weights', () => {
  it('are the first weights when there are no others', () => {
    assert.ok(isBetter(at(1, 0, NaN), undefined))
  })

  it('are chosen by a consistent order', () => {
    const ordered = [at(9, 1, NaN), at(1, 0.2, 5), at(8, 0.5, Infinity), at(2, 0.5, 2), at(3, 0.5, 1), at(4, 0.5, 1)]
    for (const [rank, validation] of ordered.entries())
      for (const [otherRank, other] of ordered.entries())
        assert.equal(isBetter(validation, other), rank > otherRank, JSON.stringify([validation, other]))
  })

  it('are chosen by accuracy, then by step, when both losses are NaN', () => {
    assert.ok(isBetter(at(1, 0.6, NaN), at(2, 0.5, NaN)))
    assert.ok(isBetter(at(2, 0.5, NaN), at(1, 0.5, NaN)))
  })
})
