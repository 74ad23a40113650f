import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { ConvoyError } from '../../../src/shared/errors.js'

describe('errors of the system', () => {
  it('are expected errors with a remedy when only the user can fix them', () => {
    assert.throws(
      () => {
        writeFileSync('/dev/full', 'x')
      },
      (thrown: Error) => {
        const error = ConvoyError.from(thrown)
        assert.equal(error.isExpected, true)
        assert.match(error.message, /no space left.*: free some space/)
        return true
      },
    )
  })
})
