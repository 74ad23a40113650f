import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Dataset } from '../../../src/data/dataset.js'
import { findOverlap } from '../../../src/data/image-overlap.js'

/** One image of 2x1 grey pixels per number. */
function datasetOf(images: readonly number[]): Dataset {
  return {
    ...{ name: 'numbers', fingerprint: '', count: images.length, height: 2, width: 1, channels: 1 },
    classNames: ['a', 'b'],
    pixels: Uint8Array.from(images.flatMap((image) => [image, 255 - image])),
    labels: new Uint16Array(images.length),
  }
}

const places = (...samples: number[]): Uint32Array => Uint32Array.from(samples)
const trained = {
  dataset: datasetOf([1, 2, 3, 4, 5, 6, 3]),
  // Image 3 is in the training split and in the validation split.
  split: { train: places(0, 1, 2), validation: places(3, 6), test: places(4, 5) },
}

describe('the overlap of evaluated images with those of a run', () => {
  it('counts images whose pixels are in the training or the validation split', () => {
    const measured = datasetOf([9, 4, 2, 1, 2, 5])
    assert.deepEqual(findOverlap(measured, places(0, 1, 2, 3, 4, 5), trained), { training: 3, validation: 1 })
  })

  it('counts an image of both splits once, as training', () => {
    assert.deepEqual(findOverlap(datasetOf([3]), places(0), trained), { training: 1, validation: 0 })
  })

  it('ignores images that are not evaluated', () => {
    assert.deepEqual(findOverlap(datasetOf([1, 2, 4, 9]), places(2, 3), trained), { training: 0, validation: 1 })
  })

  it('treats images of another shape as different', () => {
    const wide = { ...datasetOf([1, 4]), height: 1, width: 2 }
    assert.deepEqual(findOverlap(wide, places(0, 1), trained), { training: 0, validation: 0 })
  })
})
