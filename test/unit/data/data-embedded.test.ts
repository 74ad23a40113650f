import assert from 'node:assert/strict'
import { readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { EMBEDDED_FINGERPRINT, ensureEmbeddedDataset } from '../../../src/data/embedded.js'
import { openDataset } from '../../../src/data/open-dataset.js'
import { verifyPackedDataset } from '../../../src/data/cache/packed-cache.js'
import { tinyDataset } from '../../support/tiny-dataset.js'
import { killLaunches, Launch } from '../../support/launch.js'
import { imagesOf } from '../../support/images-of.js'

describe('the embedded CIFAR-10', () => {
  it('decodes to the published pixels, with a fixed fingerprint', async () => {
    const fingerprint = await ensureEmbeddedDataset(() => undefined)
    assert.equal(fingerprint, '92e717cb0d7787b235f05e3256299dc22211cbfca66cdbf2bbca42a07d1d8670')
    await verifyPackedDataset(fingerprint)
  })

  it('has 6,000 samples of each of its ten classes', async () => {
    const dataset = imagesOf(await openDataset('cifar10'))
    assert.deepEqual([dataset.count, dataset.height, dataset.width, dataset.channels], [60_000, 32, 32, 3])
    const counts = new Array<number>(10).fill(0)
    for (const label of dataset.labels) counts[label]!++
    assert.deepEqual(counts, new Array<number>(10).fill(6000))
    assert.deepEqual(
      [...dataset.classNames],
      ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
    )
  })

  it('is not decoded by a run on another data set', async () => {
    const tiny = tinyDataset()
    after(() => {
      killLaunches()
      tiny.remove()
    })
    const datasets = path.join(String(tiny.environment['CONVOY_CACHE']), 'datasets')
    rmSync(path.join(datasets, EMBEDDED_FINGERPRINT))
    const run = ['train', '--data', tiny.directory, '--max-steps', '1', '--workers', '1']
    const launch = new Launch(run, tiny.environment)
    assert.equal(await launch.status(), 0, launch.stderr)
    assert.doesNotMatch(launch.stderr, /CIFAR-10/)
    assert.equal(readdirSync(datasets).filter((name) => /^[0-9a-f]{64}$/.test(name)).length, 1)
  })
})
