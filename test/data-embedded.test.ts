import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ensureEmbeddedDataset } from '../src/data/embedded.js'
import { openDataset } from '../src/data/open-dataset.js'
import { verifyPackedDataset } from '../src/data/packed-cache.js'

describe('the embedded CIFAR-10', () => {
  it('decodes to the published pixels: this fingerprint may not change', async () => {
    const fingerprint = await ensureEmbeddedDataset(() => undefined)
    assert.equal(fingerprint, '92e717cb0d7787b235f05e3256299dc22211cbfca66cdbf2bbca42a07d1d8670')
    await verifyPackedDataset(fingerprint)
  })

  it('has 6,000 samples of each of its ten classes', async () => {
    const dataset = await openDataset('cifar10')
    assert.deepEqual([dataset.count, dataset.height, dataset.width, dataset.channels], [60_000, 32, 32, 3])
    const counts = new Array<number>(10).fill(0)
    for (const label of dataset.labels) counts[label]!++
    assert.deepEqual(counts, new Array<number>(10).fill(6000))
    assert.deepEqual(
      [...dataset.classNames],
      ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
    )
  })
})
