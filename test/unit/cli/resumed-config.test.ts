import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { allowedChanges, changedSettings } from '../../../src/cli/resumed-config.js'
import { configSha256 } from '../../../src/durability/journal.js'
import type { RunConfig, Wire } from '../../../src/model/config/run-config.js'
import { runConfigSchema } from '../../../src/model/config/run-config.js'

function config(milestones: number[]) {
  return runConfigSchema.parse({
    ...{ network: { name: 'resnet8' }, epochs: 2, optimizer: { kind: 'sgd' }, augmentation: {} },
    schedule: { kind: 'step', initial: 0.1, milestones },
  })
}

describe('the settings of a run that is resumed', () => {
  it('are the same where a list has the same values', () => {
    assert.deepEqual(changedSettings(config([0.5, 0.75]), config([0.5, 0.75])), [])
    assert.deepEqual(allowedChanges(config([]), { ...config([]), epochs: 3 }), [
      { path: 'epochs', before: 2, after: 3 },
    ])
  })

  it('of an earlier version, without a wire, are the same as with float32, and differ from bfloat16', () => {
    const stored = JSON.parse(JSON.stringify(config([]))) as RunConfig
    const withWire = (wire: Wire): RunConfig => runConfigSchema.parse({ ...stored, wire })
    assert.equal('wire' in stored, false)
    assert.deepEqual(allowedChanges(stored, withWire('float32')), [])
    assert.equal(configSha256(withWire('float32')), configSha256(stored))
    assert.throws(() => allowedChanges(stored, withWire('bfloat16')), /wire: absent before, "bfloat16" now/)
    assert.throws(() => allowedChanges(withWire('bfloat16'), stored), /wire: "bfloat16" before, absent now/)
  })

  it('differ where a list has other values', () => {
    assert.throws(
      () => allowedChanges(config([0.5]), config([0.6])),
      /schedule\.milestones: \[0\.5\] before, \[0\.6\] now/,
    )
  })
})
