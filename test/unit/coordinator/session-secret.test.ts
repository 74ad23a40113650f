import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SessionSecret } from '../../../src/coordinator/admission.js'

describe('the secret of a worker', () => {
  const secret = new SessionSecret()
  const { hex } = secret

  it('is accepted when it is correct', () => {
    assert.match(hex, /^[0-9a-f]{32}$/)
    assert.ok(secret.matches(hex))
  })

  it('is rejected when any one bit differs', () => {
    for (let digit = 0; digit < hex.length; digit++)
      for (const bit of [1, 2, 4, 8]) {
        const other = (parseInt(hex[digit]!, 16) ^ bit).toString(16)
        assert.ok(!secret.matches(hex.slice(0, digit) + other + hex.slice(digit + 1)), `digit ${digit}, bit ${bit}`)
      }
  })

  it('is rejected when it is truncated, extended, reversed, or the secret of another worker', () => {
    const reversed = Buffer.from(hex, 'hex').reverse().toString('hex')
    const near = [
      '',
      hex.slice(2),
      hex.slice(0, -1),
      hex.slice(0, -2),
      hex + hex,
      `${hex}00`,
      `00${hex}`,
      `${hex}\n`,
      ` ${hex}`,
      reversed,
    ]
    for (const text of [...near, new SessionSecret().hex]) assert.ok(!secret.matches(text), text)
  })
})
