import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Dataset } from '../../../src/data/dataset.js'
import { findOverlap } from '../../../src/data/image-overlap.js'

/** Images of 2x1 grey pixels: one for each number. */
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
  // The image 3 stands in the training split and in the validation split.
  split: { train: places(0, 1, 2), validation: places(3, 6), test: places(4, 5) },
}

describe('the overlap of measured images with those of a run', () => {
  it('counts images of the training and the validation split, each by its pixels', () => {
    const measured = datasetOf([9, 4, 2, 1, 2, 5])
    assert.deepEqual(findOverlap(measured, places(0, 1, 2, 3, 4, 5), trained), { training: 3, validation: 1 })
  })

  it('counts an image of both splits once, for the training split', () => {
    assert.deepEqual(findOverlap(datasetOf([3]), places(0), trained), { training: 1, validation: 0 })
  })

  it('leaves out images that are not measured', () => {
    assert.deepEqual(findOverlap(datasetOf([1, 2, 4, 9]), places(2, 3), trained), { training: 0, validation: 1 })
  })

  it('takes images of another shape for other images', () => {
    const wide = { ...datasetOf([1, 4]), height: 1, width: 2 }
    assert.deepEqual(findOverlap(wide, places(0, 1), trained), { training: 0, validation: 0 })
  })
})
