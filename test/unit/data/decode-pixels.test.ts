import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import sharp from 'sharp'
import { decodePixels } from '../../../src/data/formats/decode-pixels.js'

/** @param pixels a grey value for each pixel */
async function png(pixels: readonly number[], width: number): Promise<Buffer> {
  const raw = Buffer.from(pixels.flatMap((value) => [value, value, value]))
  return sharp(raw, { raw: { width, height: pixels.length / width, channels: 3 } })
    .png()
    .toBuffer()
}

/** Lanczos's window of 3 lobes. */
function lanczos3(x: number): number {
  if (x === 0) return 1
  return Math.abs(x) < 3 ? (3 * Math.sin(Math.PI * x) * Math.sin((Math.PI * x) / 3)) / (Math.PI * x) ** 2 : 0
}

/** Reference for scaling a row down: a weighted mean around the centre of each new pixel, with the edge repeated beyond it. */
function scaledDown(row: readonly number[], length: number): number[] {
  const shrink = row.length / length
  return Array.from({ length }, (_, index) => {
    const centre = (index + 0.5) * shrink - 0.5
    let [sum, weights] = [0, 0]
    for (let at = Math.ceil(centre - 3 * shrink); at <= centre + 3 * shrink; at++) {
      const weight = lanczos3((at - centre) / shrink)
      sum += weight * row[Math.min(row.length - 1, Math.max(0, at))]!
      weights += weight
    }
    return sum / weights
  })
}

describe('a scaled image', () => {
  it('has the values of the three-lobe Lanczos kernel', async () => {
    const row = [...Array<number>(13).fill(64), ...[192, 64, 192, 64], ...Array<number>(15).fill(192)]
    const pixels = Array.from({ length: 32 }, () => row).flat()
    const decoded = await decodePixels(await png(pixels, 32), 'here', 3, { height: 16, width: 16 })
    assert.deepEqual([decoded.height, decoded.width, decoded.pixels.length], [16, 16, 16 * 16 * 3])
    const expected = scaledDown(row, 16)
    // Overshoot at the edge distinguishes Lanczos from kernels that only average.
    assert.ok(Math.max(...expected) > 195 && Math.min(...expected) < 61)
    expected.forEach((value, column) => {
      const found = decoded.pixels[(8 * 16 + column) * 3]!
      assert.ok(Math.abs(found - value) <= 2, `column ${column}: ${found} where ${value.toFixed(1)} is expected`)
    })
  })
})

describe('an image for a grey model', () => {
  it('has one channel, with unchanged values when it is grey', async () => {
    const values = [0, 1, 64, 128, 200, 255]
    const { pixels } = await decodePixels(await png(values, 3), 'here', 1)
    assert.deepEqual([...pixels], values)
  })

  it('weights green more than red, and red more than blue', async () => {
    const colours = [
      [255, 0, 0],
      [0, 255, 0],
      [0, 0, 255],
      [255, 255, 255],
    ]
    const raw = Buffer.from(colours.flat())
    const bytes = await sharp(raw, { raw: { width: 4, height: 1, channels: 3 } })
      .png()
      .toBuffer()
    const { pixels } = await decodePixels(bytes, 'here', 1)
    const [red, green, blue, white] = pixels
    assert.deepEqual([pixels.length, white], [4, 255])
    assert.ok(green! > red! && red! > blue! && blue! > 0, [...pixels].join())
  })
})
