import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatBandwidth, parseBandwidth } from '../../../src/shared/units.js'

test('a bandwidth has bits, bytes or no unit, and decimal prefixes', () => {
  for (const [text, bytes] of [
    ['10Gbit/s', 1.25e9],
    ['1.5 Mbit/s', 187_500],
    ['1.25GB/s', 1.25e9],
    ['100B/s', 100],
    ['1.25e9', 1.25e9],
    ['3000', 3000],
  ] as const)
    assert.equal(parseBandwidth(text), bytes, text)
  for (const text of ['', 'fast', '10', '-1', '10 Gbit', '10gbit/s', '10Gb/s', '1e9Gbit/s/s'])
    assert.equal(parseBandwidth(text), text === '10' ? 10 : undefined, text)
})

test('a bandwidth is shown in bits', () => {
  assert.deepEqual([1.25e9, 187_500, 0, 12.5].map(formatBandwidth), ['10 Gbit/s', '1.5 Mbit/s', '0 bit/s', '100 bit/s'])
})
