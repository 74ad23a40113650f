import { writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Images } from '../../src/data/dataset.js'

/** Writes grey images as MNIST's two files of training data: magic number and dimensions, big-endian, then bytes. */
export function writeIdx(
  directory: string,
  {
    count,
    height,
    width,
    pixels,
    labels,
  }: Pick<Images, 'count' | 'height' | 'width' | 'pixels'> & { labels: Iterable<number> },
): void {
  const write = (name: string, header: readonly number[], bytes: Uint8Array): void => {
    const words = Buffer.alloc(4 * header.length)
    for (const [index, word] of header.entries()) words.writeUInt32BE(word, 4 * index)
    writeFileSync(path.join(directory, name), Buffer.concat([words, bytes]))
  }
  write('train-images-idx3-ubyte', [0x803, count, height, width], pixels)
  write('train-labels-idx1-ubyte', [0x801, count], Uint8Array.from(labels))
}
