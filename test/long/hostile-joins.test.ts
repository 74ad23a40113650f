import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { hostileRun } from '../faults/hostile/hostile-run.js'
import { killLaunches } from '../support/launch.js'

describe('hostile joins beside honest workers', () => {
  after(killLaunches)

  it('fault 35, 61, 62, 63: 200 joins of `npm run hostile-joins` do not change memory, descriptors, workers or weights', async () => {
    const lines: string[] = []
    const log = (line: string): number => lines.push(line)
    const { violations } = await hostileRun({
      ...{ seed: 1, joins: 200, rate: 40, calmSeconds: 2, rounds: 1, yields: false, log },
    })
    assert.deepEqual(violations, [], lines.join('\n'))
  })
})
