import assert from 'node:assert/strict'
import { test } from 'node:test'
import { roundedCount } from '../../../src/model/rounded-count.js'
import { TinyProblem } from '../../../src/simulation/tiny-problem.js'

test('of a result, only gradients are rounded, and only where the wire is bfloat16', () => {
  const { description: low } = new TinyProblem(1, 1, 'bfloat16')
  assert.equal(roundedCount('WORK_GRADIENT', low), low.model.layout.trainableCount)
  assert.ok(low.model.layout.weightCount > low.model.layout.trainableCount)
  assert.equal(roundedCount('WORK_EVALUATE', low), 0)
  assert.equal(roundedCount('WORK_GRADIENT', new TinyProblem(1, 1).description), 0)
})
