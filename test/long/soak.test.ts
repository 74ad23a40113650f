import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { chaosRun } from '../faults/chaos/chaos-run.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import { killLaunches } from '../support/launch.js'

describe('the soak', () => {
  const data = tinyDataset()
  after(() => {
    killLaunches()
    data.remove()
  })

  it('fault 10: a random fault every two seconds, for half a minute (`npm run chaos` runs longer)', async () => {
    const schedule: string[] = []
    const { violations, faults } = await chaosRun({
      ...{ seed: 3, minutes: 0.4, workers: 2, intervalSeconds: 2 },
      run: [
        '--recipe',
        'quick',
        '--data',
        data.directory,
        '--epochs',
        '5000',
        '--batch-size',
        '32',
        '--shard-size',
        '4',
      ],
      environment: data.environment,
      log: (line) => void schedule.push(line),
    })
    assert.deepEqual(violations, [], schedule.join('\n'))
    assert.ok(faults.length >= 3, `${faults.length} faults are none`)
  })
})
