import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { allowedChanges, changedSettings } from '../../../src/cli/resumed-config.js'
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

  it('differ where a list has other values', () => {
    assert.throws(
      () => allowedChanges(config([0.5]), config([0.6])),
      /schedule\.milestones: \[0\.5\] before, \[0\.6\] now/,
    )
  })
})
