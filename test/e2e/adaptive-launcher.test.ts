import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { killLaunches, Launch } from '../support/launch.js'
import { tinyDataset } from '../support/tiny-dataset.js'

const tiny = tinyDataset()
after(() => {
  killLaunches()
  tiny.remove()
})

const RUN = ['train', '--data', tiny.directory, '--recipe', 'quick', '--epochs', '1000', '--seed', '5', '--json']

describe('a run that begins in one process', () => {
  it('starts worker processes where they are faster, which take over with the same weights', async () => {
    const launch = new Launch([...RUN, '--launcher', 'adaptive', '--workers', '2'], tiny.environment)
    const { runDirectory } = await launch.announcement()
    await launch.untilMetrics((line) => line['kind'] === 'step' && line['workers'] === 2)
    const stop = new Launch(['stop', runDirectory], tiny.environment)
    const { steps, workers, weightsSha256 } = await launch.result()
    assert.equal(await stop.status(), 0, stop.stderr)
    assert.equal(workers, 2)
    assert.match(launch.stderr, /A step takes [\d.]+ ms in one process; starting 2 worker processes/)
    const alone = await new Launch([...RUN, '--max-steps', String(steps), '--standalone'], tiny.environment).result()
    assert.equal(weightsSha256, alone['weightsSha256'])
  })
})
