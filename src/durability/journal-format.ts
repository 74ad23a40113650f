import { crc32 } from 'node:zlib'
import { ConvoyError } from '../shared/errors.js'

/*
 * A journal segment, all numbers little-endian:
 *
 *     header   magic "CONVOYJ1" | vector length u32 | CRC-32 of the weights u32 | base step u64 | sha256 of the configuration | CRC-32 u32
 *     frame    kind u32 | payload bytes u32 | step u64 | payload | CRC-32 of all of that u32
 *     payload  of a step: details as JSON, its length u32 before it, then the vector; of a validation: JSON
 *
 * "1" is the version of the format. The base step is the number of steps in the weights that the first frame is applied to.
 */
const MAGIC = Buffer.from('CONVOYJ1')
export const HEADER_BYTES = 60
export const FRAME_HEAD_BYTES = 16
export const CRC_BYTES = 4

/** A step: its reduced gradient vector. A validation: its result. */
export const FRAME_KINDS = { step: 1, validation: 2 } as const
export type FrameKind = keyof typeof FRAME_KINDS

/** What a segment can be replayed on. */
export interface SegmentHeader {
  /** Floats of a step's vector. */
  readonly vectorLength: number
  /** CRC-32 of the weights (float32, little-endian) after `baseStep` steps. */
  readonly weightsCrc: number
  readonly baseStep: number
  /** sha256 (hex) of the resolved configuration as JSON. */
  readonly configSha256: string
}

export function encodeHeader({ vectorLength, weightsCrc, baseStep, configSha256 }: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES)
  MAGIC.copy(bytes)
  bytes.writeUInt32LE(vectorLength, 8)
  bytes.writeUInt32LE(weightsCrc, 12)
  bytes.writeBigUInt64LE(BigInt(baseStep), 16)
  bytes.write(configSha256, 24, 32, 'hex')
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 56)), 56)
  return bytes
}

/** @throws ConvoyError('data') when these are not the bytes of a header */
export function decodeHeader(bytes: Buffer, file: string): SegmentHeader {
  const isOurs = bytes.length === HEADER_BYTES && bytes.subarray(0, 7).equals(MAGIC.subarray(0, 7))
  if (isOurs && bytes[7] !== MAGIC[7])
    throw new ConvoyError(
      'data',
      `${file} has format ${String.fromCharCode(bytes[7]!)}; this version of Convoy reads format 1. Resume with the version that wrote it.`,
    )
  if (!isOurs || bytes.readUInt32LE(56) !== crc32(bytes.subarray(0, 56)))
    throw new ConvoyError('data', `${file} has no valid header of a journal.`)
  return {
    vectorLength: bytes.readUInt32LE(8),
    weightsCrc: bytes.readUInt32LE(12),
    baseStep: Number(bytes.readBigUInt64LE(16)),
    configSha256: bytes.toString('hex', 24, 56),
  }
}

export function encodeFrameHead(kind: FrameKind, step: number, payloadBytes: number): Buffer {
  const bytes = Buffer.alloc(FRAME_HEAD_BYTES)
  bytes.writeUInt32LE(FRAME_KINDS[kind], 0)
  bytes.writeUInt32LE(payloadBytes, 4)
  bytes.writeBigUInt64LE(BigInt(step), 8)
  return bytes
}

/** @returns undefined when these are not the bytes of a frame's head */
export function decodeFrameHead(
  bytes: Buffer,
): { readonly kind: FrameKind; readonly step: number; readonly payloadBytes: number } | undefined {
  const number = bytes.readUInt32LE(0)
  const kind = (Object.keys(FRAME_KINDS) as FrameKind[]).find((name) => FRAME_KINDS[name] === number)
  if (kind === undefined) return undefined
  return { kind, payloadBytes: bytes.readUInt32LE(4), step: Number(bytes.readBigUInt64LE(8)) }
}

/** CRC-32 of some pieces of bytes, one after the other. */
export function crcOf(...pieces: readonly Buffer[]): number {
  return pieces.reduce((crc, piece) => crc32(piece, crc), 0)
}
