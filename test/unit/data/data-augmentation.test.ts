import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  augmentationRandom,
  augmentationSchema,
  drawTransform,
  TRANSFORM_LENGTH,
} from '../../../src/data/sampling/augmentation.js'

const IMAGE = { height: 32, width: 32 }
const config = augmentationSchema.parse({})

function draw(
  seed: number,
  epoch: number,
  sample: number,
  changes: Partial<typeof config> = {},
  image = IMAGE,
): Float32Array {
  const out = new Float32Array(TRANSFORM_LENGTH)
  drawTransform(out, 0, { ...config, ...changes }, image, augmentationRandom(seed), epoch, sample)
  return out
}

/** Rotation (degrees), zoom and mirroring of a transform's matrix [[a0, a1], [b0, b1]]. */
function decompose([a0, a1, , b0, b1]: Float32Array): { degrees: number; zoom: number; mirrored: boolean } {
  const degrees = (Math.atan2(b0!, b1!) * 180) / Math.PI
  return { degrees, zoom: Math.sqrt(b0! ** 2 + b1! ** 2), mirrored: a0! * b1! - a1! * b0! < 0 }
}

describe('drawn transforms', () => {
  const drawn = Array.from({ length: 20_000 }, (_, sample) => decompose(draw(1, 0, sample)))

  it('cover rotations within 20 degrees and zooms within 10 %', () => {
    const degrees = drawn.map((transform) => transform.degrees)
    const zooms = drawn.map((transform) => transform.zoom)
    assert.ok(Math.max(...degrees.map(Math.abs)) <= 20 + 1e-4)
    assert.ok(Math.min(...degrees) < -19.9 && Math.max(...degrees) > 19.9)
    assert.ok(Math.min(...zooms) >= 0.9 - 1e-6 && Math.max(...zooms) <= 1.1 + 1e-6)
    assert.ok(Math.min(...zooms) < 0.901 && Math.max(...zooms) > 1.099)
    const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
    // Four standard errors of a uniform distribution's mean.
    assert.ok(Math.abs(mean(degrees)) < (4 * 40) / Math.sqrt(12 * drawn.length))
    assert.ok(Math.abs(mean(zooms) - 1) < (4 * 0.2) / Math.sqrt(12 * drawn.length))
  })

  it('mirror half of the samples', () => {
    const share = drawn.filter(({ mirrored }) => mirrored).length / drawn.length
    assert.ok(Math.abs(share - 0.5) < 4 * Math.sqrt(0.25 / drawn.length), String(share))
  })

  it('depend only on seed, epoch and sample, not on earlier draws', () => {
    const first = draw(1, 2, 3)
    draw(9, 9, 9)
    assert.deepEqual(draw(1, 2, 3), first)
    for (const other of [draw(2, 2, 3), draw(1, 3, 3), draw(1, 2, 4)]) assert.notDeepEqual(other, first)
  })

  it('leave the centre in place, also in images that are not square', () => {
    for (const image of [IMAGE, { height: 8, width: 33 }]) {
      const [x, y] = [(image.width - 1) / 2, (image.height - 1) / 2]
      for (let sample = 0; sample < 100; sample++) {
        const [a0, a1, a2, b0, b1, b2] = draw(1, 0, sample, {}, image) as unknown as number[]
        assert.ok(Math.abs(a0! * x + a1! * y + a2! - x) < 1e-5)
        assert.ok(Math.abs(b0! * x + b1! * y + b2! - y) < 1e-5)
      }
    }
  })

  it('are the identity when augmentation is off', () => {
    const off = draw(1, 0, 0, { horizontalFlip: false, rotationDegrees: 0, zoom: 0 })
    // Adding 0 turns -0 into 0.
    assert.deepEqual(
      Array.from(off, (value) => value + 0),
      [1, 0, 0, 0, 1, 0, 0, 0],
    )
  })

  it('are written at the given offset', () => {
    const out = new Float32Array(3 * TRANSFORM_LENGTH)
    drawTransform(out, TRANSFORM_LENGTH, config, IMAGE, augmentationRandom(1), 2, 3)
    assert.deepEqual(out.subarray(TRANSFORM_LENGTH, 2 * TRANSFORM_LENGTH), draw(1, 2, 3))
    assert.ok(out.subarray(0, TRANSFORM_LENGTH).every((value) => value === 0))
    assert.ok(out.subarray(2 * TRANSFORM_LENGTH).every((value) => value === 0))
  })
})
