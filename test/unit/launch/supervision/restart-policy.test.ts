import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MAX_RESTARTS, RestartPolicy } from '../../../../src/launch/supervision/restart-policy.js'

const AT_ONCE = [0, 1_000, 2_000, 4_000, 8_000]

describe('restarts of a coordinator that dies', () => {
  it('are at once, then after growing waits, and end', () => {
    const policy = new RestartPolicy()
    const waits = Array.from({ length: MAX_RESTARTS + 1 }, () => policy.next(100))
    assert.deepEqual(waits, [...AT_ONCE, undefined])
  })

  it('begin anew after a coordinator that served for half a minute', () => {
    const policy = new RestartPolicy()
    for (const wait of AT_ONCE) assert.equal(policy.next(0), wait)
    assert.equal(policy.next(30_000), 0)
    assert.equal(policy.next(29_999), 1_000)
  })
})
