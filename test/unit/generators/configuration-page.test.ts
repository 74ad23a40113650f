import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { configurationPage } from '../../../generators/configuration-page.js'
import { FLAGS, SWITCHES } from '../../../src/cli/flags/run-config-flags.js'
import { HIGHEST_RATE, settings } from '../../../src/model/config/settings.js'

describe('docs/reference/configuration.md', () => {
  it('describes every setting', () => {
    const without = settings().filter(({ schema: { description } }) => description === undefined || description === '')
    assert.deepEqual(
      without.map(({ path }) => path),
      [],
    )
  })

  it('lists each flag beside its setting', () => {
    const page = configurationPage()
    for (const { flag, path } of [...FLAGS, ...SWITCHES]) {
      const setting = path === HIGHEST_RATE ? 'schedule.peak' : path
      assert.ok(page.includes(`| \`${setting}\` | \`--${flag}\` |`), `--${flag}`)
    }
  })

  it('states the limits, choices and defaults of the schema', () => {
    const page = configurationPage()
    assert.match(page, /\| `batchSize` \| `--batch-size` \| integer 1 to 1048576 \| 128 \|/)
    assert.match(page, /\| `optimizer.momentum` \| {2}\| number 0 or more, below 1 \| 0.9 \|/)
    assert.match(page, /\| `schedule.kind` \| `--schedule` \| one-cycle, cosine, step \| required \|/)
    assert.match(
      page,
      /\| `schedule.milestones` \| {2}\| array of number above 0, below 1, at most 100 \| \[0.5, 0.75\] \|/,
    )
  })
})
