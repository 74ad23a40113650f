import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { FillMode } from '../../../src/data/sampling/augmentation.js'
import {
  augmentationRandom,
  augmentationSchema,
  drawTransform,
  FILL_MODES,
  TRANSFORM_LENGTH,
} from '../../../src/data/sampling/augmentation.js'
import { openDataset } from '../../../src/data/open-dataset.js'
import { FusedOps } from '../../../src/tensorflow/engine/fused-ops.js'
import { loadTensorflow } from '../../../src/tensorflow/runtime/load-tensorflow.js'
import { imagesOf } from '../../support/images-of.js'

const { tf } = loadTensorflow()
const ops = new FusedOps(tf)
const dataset = imagesOf(await openDataset('cifar10'))
const SIZE = 32
const IMAGES = 24

/**
 * The place (not rounded) that a coordinate outside the image reads, as the documentation of ImageProjectiveTransformV3 describes each
 * mode. Between the last pixel and the next copy of the image, `wrap` takes the first pixel that it comes to.
 */
function fold(coordinate: number, length: number, mode: FillMode): number {
  const clamp = (value: number): number => Math.min(Math.max(value, 0), length - 1)
  switch (mode) {
    case 'nearest':
      return clamp(coordinate)
    case 'wrap': {
      const wrapped = ((coordinate % length) + length) % length
      return wrapped <= length - 1 ? wrapped : coordinate < 0 ? length - 1 : 0
    }
    case 'reflect': {
      // (d c b a | a b c d | d c b a): mirrored half a pixel outside the centres of the edge pixels.
      const period = 2 * length
      const inPeriod = (((coordinate + 0.5) % period) + period) % period
      return clamp((inPeriod < length ? inPeriod : period - inPeriod) - 0.5)
    }
    case 'constant':
      return coordinate
  }
}

/** Flip, zoom and rotation of coordinates one after the other, in float64 and without a matrix, with bilinear interpolation. */
function transformed(
  image: Float32Array,
  { mirrored, radians, zoom, fillMode }: { mirrored: boolean; radians: number; zoom: number; fillMode: FillMode },
): Float32Array {
  const centre = (SIZE - 1) / 2
  const at = (x: number, y: number, channel: number): number => {
    const inside = x >= 0 && x < SIZE && y >= 0 && y < SIZE
    if (!inside && fillMode === 'constant') return 0
    // A pixel beyond the last one has weight zero.
    return image[(Math.min(y, SIZE - 1) * SIZE + Math.min(x, SIZE - 1)) * 3 + channel]!
  }
  const out = new Float32Array(image.length)
  for (let y = 0; y < SIZE; y++) {
    for (let x = 0; x < SIZE; x++) {
      const [dx, dy] = [x - centre, y - centre]
      let sourceX = (Math.cos(radians) * dx - Math.sin(radians) * dy) * zoom
      const sourceY = fold((Math.sin(radians) * dx + Math.cos(radians) * dy) * zoom + centre, SIZE, fillMode)
      if (mirrored) sourceX = -sourceX
      sourceX = fold(sourceX + centre, SIZE, fillMode)
      const [left, top] = [Math.floor(sourceX), Math.floor(sourceY)]
      const [right, bottom] = [sourceX - left, sourceY - top]
      for (let channel = 0; channel < 3; channel++) {
        out[(y * SIZE + x) * 3 + channel] =
          (1 - bottom) * ((1 - right) * at(left, top, channel) + right * at(left + 1, top, channel)) +
          bottom * ((1 - right) * at(left, top + 1, channel) + right * at(left + 1, top + 1, channel))
      }
    }
  }
  return out
}

describe('augmentation on real images agrees with an independent implementation', () => {
  const config = augmentationSchema.parse({ rotationDegrees: 20, zoom: 0.1 })
  const images = Float32Array.from(dataset.pixels.subarray(0, IMAGES * SIZE * SIZE * 3), (value: number) => value / 255)
  const transforms = new Float32Array(IMAGES * TRANSFORM_LENGTH)
  const random = augmentationRandom(5)
  for (let sample = 0; sample < IMAGES; sample++) {
    drawTransform(transforms, sample * TRANSFORM_LENGTH, config, dataset, random, 2, sample)
  }

  // Fill modes differ only outside the image. Flip, zoom and rotation are recovered from the matrix.
  for (const fillMode of FILL_MODES) {
    it(fillMode, () => {
      const output = tf.tidy(() =>
        ops
          .projectiveTransform(
            tf.tensor4d(images, [IMAGES, SIZE, SIZE, 3]),
            tf.tensor2d(transforms, [IMAGES, 8]),
            fillMode,
          )
          .dataSync<'float32'>(),
      )
      let compared = 0
      for (let sample = 0; sample < IMAGES; sample++) {
        const [a0, , , b0, b1] = transforms.subarray(sample * 8) as unknown as number[]
        const zoom = Math.hypot(b0!, b1!)
        const radians = Math.atan2(b0!, b1!)
        const mirrored = a0! < 0
        assert.ok(Math.abs(zoom - 1) <= 0.1 + 1e-6 && Math.abs(radians) <= (20 * Math.PI) / 180 + 1e-6)
        const size = SIZE * SIZE * 3
        const expected = transformed(images.slice(sample * size, (sample + 1) * size), {
          mirrored,
          radians,
          zoom,
          fillMode,
        })
        for (let index = 0; index < size; index++) {
          const difference = Math.abs(output[sample * size + index]! - expected[index]!)
          assert.ok(difference < 1e-5, `${fillMode}, image ${sample}, element ${index}: differs by ${difference}`)
          compared++
        }
      }
      assert.equal(compared, IMAGES * SIZE * SIZE * 3)
    })
  }
})
