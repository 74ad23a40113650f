import assert from 'node:assert/strict'
import type { Dataset, Images } from '../../src/data/dataset.js'
import { isImages } from '../../src/data/dataset.js'

/** A data set that has images. */
export function imagesOf(dataset: Dataset | undefined): Images {
  assert.ok(dataset !== undefined && isImages(dataset))
  return dataset
}
