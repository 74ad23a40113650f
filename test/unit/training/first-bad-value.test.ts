import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { firstBadValue } from '../../../src/training/first-bad-value.js'

describe('the first bad value of a vector', () => {
  it('is NaN, infinite or beyond 1e18, and nothing smaller', () => {
    const float32Above = 1.0000001e18
    for (const bad of [NaN, Infinity, -Infinity, float32Above, -float32Above, 3e38])
      assert.equal(firstBadValue(Float32Array.of(0, 1, bad, bad)), 2, String(bad))
    assert.equal(firstBadValue(Float32Array.of(0, 9.99e17, -9.99e17, 1e-45)), -1)
  })
})
