import { element } from './dom.js'

/** Five stops of matplotlib's viridis, dark to bright; distinguishable in print and by colour-blind readers. */
const VIRIDIS = [
  [68, 1, 84],
  [59, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37],
] as const

/** Decodes base64. */
export function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))
}

/**
 * A canvas of the picture's own size; the style sheet scales it.
 * @param colorOf of a pixel, 0 … width · height - 1: red, green and blue, 0 to 255
 */
export function picture(
  width: number,
  height: number,
  label: string,
  colorOf: (pixel: number) => readonly [number, number, number],
): HTMLCanvasElement {
  const canvas = element('canvas', {
    width: `${width}`,
    height: `${height}`,
    role: 'img',
    'aria-label': label,
    title: label,
  })
  const context = canvas.getContext('2d')
  if (context === null) return canvas
  const image = context.createImageData(width, height)
  for (let pixel = 0; pixel < width * height; pixel++) image.data.set([...colorOf(pixel), 255], 4 * pixel)
  context.putImageData(image, 0, 0)
  return canvas
}

/** An image of the data set. @param pixels `[height, width, channel]`; one channel is grey */
export function photograph(
  pixels: Uint8Array,
  [height, width, channels]: readonly [number, number, number],
  label: string,
): HTMLCanvasElement {
  const at = (pixel: number, channel: number): number => pixels[pixel * channels + (channels < 3 ? 0 : channel)] ?? 0
  return picture(width, height, label, (pixel) => [at(pixel, 0), at(pixel, 1), at(pixel, 2)])
}

/** The output of a channel, on a square-root scale because most values are small. @param values `[height, width]`, 0 to 255 */
export function featureMap(values: Uint8Array, width: number, height: number, label: string): HTMLCanvasElement {
  return picture(width, height, label, (pixel) => viridis(Math.sqrt((values[pixel] ?? 0) / 255)))
}

/** @param value 0 to 1 */
function viridis(value: number): [number, number, number] {
  const position = value * (VIRIDIS.length - 1)
  const stop = Math.min(Math.floor(position), VIRIDIS.length - 2)
  const mix = (channel: 0 | 1 | 2): number => {
    const [low, high] = [VIRIDIS[stop]![channel], VIRIDIS[stop + 1]![channel]]
    return low + (position - stop) * (high - low)
  }
  return [mix(0), mix(1), mix(2)]
}
