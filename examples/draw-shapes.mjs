import { mkdirSync, writeFileSync } from 'node:fs'
import { crc32, deflateSync } from 'node:zlib'
import { randomNumbers } from './random-numbers.mjs'

const SIDE = 24

/**
 * Draws images of 24 x 24 pixels into `<directory>/<class>/`: bright shapes on dark ground, each in a place, size and colours of its own.
 * @param shapes by class: whether a point, from -1 to 1 in both directions, belongs to the shape
 * @param images of each class
 */
export function drawShapes(directory, shapes, images, seed) {
  const random = randomNumbers(seed)
  for (const [name, contains] of Object.entries(shapes)) {
    mkdirSync(`${directory}/${name}`, { recursive: true })
    for (let index = 0; index < images; index++)
      writeFileSync(`${directory}/${name}/${index}.png`, png(draw(contains, random)))
  }
}

function draw(contains, random) {
  const radius = 7 + 4 * random()
  const [left, top] = [0, 1].map(() => radius + (SIDE - 2 * radius) * random())
  const [background, colour] = [0, 150].map((darkest) => [0, 1, 2].map(() => darkest + 80 * random()))
  const pixels = Buffer.alloc(SIDE * SIDE * 3)
  for (let place = 0; place < SIDE * SIDE; place++) {
    const [x, y] = [((place % SIDE) - left) / radius, (Math.floor(place / SIDE) - top) / radius]
    const isShape = Math.abs(x) <= 1 && Math.abs(y) <= 1 && contains(x, y)
    for (const [channel, value] of (isShape ? colour : background).entries())
      pixels[3 * place + channel] = value + 25 * random()
  }
  return pixels
}

/** RGB, 8 bits: https://www.w3.org/TR/png-3/ */
function png(pixels) {
  const rows = Array.from({ length: SIDE }, (_, row) => [
    Buffer.of(0),
    pixels.subarray(row * SIDE * 3, (row + 1) * SIDE * 3),
  ])
  const size = Buffer.alloc(8)
  size.writeUInt32BE(SIDE, 0)
  size.writeUInt32BE(SIDE, 4)
  const chunk = (type, data) => {
    const content = Buffer.concat([Buffer.from(type), data])
    const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)]
    length.writeUInt32BE(data.length)
    checksum.writeUInt32BE(crc32(content))
    return Buffer.concat([length, content, checksum])
  }
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', Buffer.concat([size, Buffer.of(8, 2, 0, 0, 0)])),
    chunk('IDAT', deflateSync(Buffer.concat(rows.flat()))),
    chunk('IEND', Buffer.alloc(0)),
  ])
}
