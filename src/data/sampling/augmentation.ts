import { z } from 'zod'
import { KeyedRandom, PURPOSE, toUnit } from '../../shared/philox.js'
import { sineAndCosine } from '../../shared/trigonometry.js'

/** How pixels from outside the image are filled: ImageProjectiveTransformV3's fill modes. */
export const FILL_MODES = ['reflect', 'nearest', 'wrap', 'constant'] as const
export type FillMode = (typeof FILL_MODES)[number]

export const augmentationSchema = z.strictObject({
  enabled: z.boolean().default(true).describe('augment training images. false: train on the images as they are'),
  horizontalFlip: z.boolean().default(true).describe('mirror half of the samples, drawn one by one'),
  rotationDegrees: z
    .number()
    .min(0)
    .max(180)
    .default(20)
    .describe(
      "largest rotation in degrees, in either direction, drawn uniformly (Keras's RandomRotation(0.2) would be 72)",
    ),
  zoom: z
    .number()
    .min(0)
    .max(0.9)
    .default(0.1)
    .describe('largest zoom z: the factor is drawn uniformly from 1 - z to 1 + z, the same for both axes'),
  fillMode: z.enum(FILL_MODES).default('reflect').describe('what fills the space outside the image'),
})
export type AugmentationConfig = z.output<typeof augmentationSchema>

/** Coefficients of one sample's projective transform. */
export const TRANSFORM_LENGTH = 8

/**
 * Draws a sample's flip, rotation and zoom, keyed by (seed, epoch, sample), and writes them as one projective
 * transform: ImageProjectiveTransformV3's `[a0 a1 a2 b0 b1 b2 c0 c1]`, which maps output pixel (x, y) to input
 * `((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k)`, `k = c0 x + c1 y + 1`.
 *
 * Output pixels are turned about the image's centre ((width - 1) / 2, (height - 1) / 2), scaled by the zoom and
 * mirrored last. A zoom above 1 shows a larger area, so objects get smaller, as in Keras's RandomZoom.
 *
 * @param out float32, at least `offset + 8` elements
 */
export function drawTransform(
  out: Float32Array,
  offset: number,
  config: AugmentationConfig,
  image: { height: number; width: number },
  random: KeyedRandom,
  epoch: number,
  sample: number,
): void {
  const [flipWord, angleWord, zoomWord] = random.words(epoch, sample) as unknown as [number, number, number]
  const mirror = config.horizontalFlip && toUnit(flipWord) < 0.5 ? -1 : 1
  const radians = ((2 * toUnit(angleWord) - 1) * config.rotationDegrees * Math.PI) / 180
  const scale = 1 + (2 * toUnit(zoomWord) - 1) * config.zoom
  const { sine, cosine } = sineAndCosine(radians)
  const centreX = (image.width - 1) / 2
  const centreY = (image.height - 1) / 2
  const a0 = mirror * scale * cosine
  const a1 = -mirror * scale * sine
  const b0 = scale * sine
  const b1 = scale * cosine
  out[offset] = a0
  out[offset + 1] = a1
  out[offset + 2] = centreX - a0 * centreX - a1 * centreY
  out[offset + 3] = b0
  out[offset + 4] = b1
  out[offset + 5] = centreY - b0 * centreX - b1 * centreY
  out[offset + 6] = 0
  out[offset + 7] = 0
}

/** The generator that {@link drawTransform} draws from. */
export function augmentationRandom(seed: number): KeyedRandom {
  return new KeyedRandom(seed, PURPOSE.augment)
}
