import { createHash } from 'node:crypto'
import { bytesOf } from '../shared/bytes-of.js'

/** Identifies weights in results and measurements. @returns sha256 (hex) of the flat float32 vector, little-endian */
export function weightsSha256(weights: Float32Array): string {
  return createHash('sha256').update(bytesOf(weights)).digest('hex')
}
