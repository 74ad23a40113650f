import type { ParameterTensor } from '../../../model/parameter-layout.js'

/** An encoded image. */
export interface Png {
  readonly height: number
  readonly width: number
  /** 1: grey, 3: RGB. */
  readonly channels: number
  readonly bytes: Buffer
}

/** Smaller pictures are enlarged until their longer side has about this many pixels. */
const SIDE_PIXELS = 320
const BLACK = 0
const WHITE = 255

/** One square a cell, a row a label, a column a prediction: black is none of the label's images, white is all of them. */
export async function confusionImage(confusion: readonly (readonly number[])[]): Promise<Png> {
  const shades = confusion.flatMap((row) => {
    const total = row.reduce((sum, count) => sum + count, 0)
    return row.map((count) => (total > 0 ? Math.round((WHITE * count) / total) : BLACK))
  })
  return encode(Uint8Array.from(shades), confusion.length, confusion.length, 1)
}

/** Largest number of kernels on a picture. */
const MAX_KERNELS = 256

/**
 * A convolution's kernels side by side, in colours where they read RGB and in grey where they read one channel; mid-grey is zero.
 * @param values the flat vector that the tensor lies in, `[height, width, input channel, kernel]`
 * @returns undefined for a tensor that is no such kernel
 */
export async function kernelsImage({ shape, offset }: ParameterTensor, values: Float32Array): Promise<Png | undefined> {
  const [height, width, channels, kernels] = shape
  if (kernels === undefined || (channels !== 1 && channels !== 3)) return undefined
  const shown = Math.min(kernels, MAX_KERNELS)
  const columns = Math.ceil(Math.sqrt(shown))
  const rows = Math.ceil(shown / columns)
  const [imageHeight, imageWidth] = [rows * (height! + 1) - 1, columns * (width! + 1) - 1]
  const pixels = new Uint8Array(imageHeight * imageWidth * channels)
  const tensor = values.subarray(offset, offset + height! * width! * channels * kernels)
  const largest = tensor.reduce((most, value) => Math.max(most, Math.abs(value)), Number.MIN_VALUE)
  for (let kernel = 0; kernel < shown; kernel++) {
    const top = Math.floor(kernel / columns) * (height! + 1)
    const left = (kernel % columns) * (width! + 1)
    for (let cell = 0; cell < height! * width!; cell++) {
      const pixel = (top + Math.floor(cell / width!)) * imageWidth + left + (cell % width!)
      for (let channel = 0; channel < channels; channel++) {
        const value = tensor[(cell * channels + channel) * kernels + kernel]!
        pixels[pixel * channels + channel] = Math.round((WHITE * (1 + value / largest)) / 2)
      }
    }
  }
  return encode(pixels, imageHeight, imageWidth, channels)
}

/** @param shape `[height, width, channel]`, 1 or 3 channels */
export async function pixelsImage(pixels: Uint8Array, shape: readonly [number, number, number]): Promise<Png> {
  return encode(pixels, ...shape)
}

async function encode(pixels: Uint8Array, height: number, width: number, channels: number): Promise<Png> {
  const scale = Math.max(1, Math.floor(SIDE_PIXELS / Math.max(height, width)))
  // Loaded for the first picture: it has a large native library.
  const { default: sharp } = await import('sharp')
  const bytes = await sharp(pixels, { raw: { height, width, channels: channels as 1 | 3 } })
    .resize({ height: height * scale, width: width * scale, kernel: 'nearest' })
    .png()
    .toBuffer()
  return { height: height * scale, width: width * scale, channels, bytes }
}
