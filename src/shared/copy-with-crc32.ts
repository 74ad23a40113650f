import { crc32 } from 'node:zlib'
import { nativeLoops } from './native-loops.js'

/**
 * Copies bytes, and takes their checksum on the way: they come from memory once.
 * @param at where they go in `target`, which has room for them
 * @param seed the CRC-32 of the bytes before them
 * @returns the CRC-32 (IEEE 802.3) of all
 */
export function copyWithCrc32(target: Uint8Array, at: number, source: Uint8Array, seed: number): number {
  const loops = nativeLoops()
  if (loops) return loops.copyWithCrc32(target, at, source, source.length, seed)
  target.set(source, at)
  return crc32(source, seed)
}
