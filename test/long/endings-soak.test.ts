import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { endingRuns } from '../faults/endings/ending-runs.js'
import { killLaunches } from '../support/launch.js'
import { killTerminals } from '../support/pseudo-terminal.js'

/** For a busy machine; a hanging run exceeds any limit. */
const SLACK_SECONDS = 60

describe('ends of runs at random moments and in random ways', () => {
  after(() => {
    killLaunches()
    killTerminals()
  })

  it('fault 57, 58, 59, 68: five runs of `npm run endings` exit in time, with their announced weights on disk', async () => {
    const lines: string[] = []
    const runs = Array.from({ length: 5 }, (_, index) => index + 1)
    const violations = await endingRuns({ seed: 1, runs, slackSeconds: SLACK_SECONDS, log: (line) => lines.push(line) })
    assert.deepEqual(violations, [], lines.join('\n'))
  })
})
