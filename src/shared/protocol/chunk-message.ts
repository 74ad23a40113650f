import { crc32 } from 'node:zlib'
import protobuf from 'protobufjs'
import { copyWithCrc32 } from '../copy-with-crc32.js'
import { MessagePieces } from './message-pieces.js'
import type { Chunk, ChunkHead, UnsealedChunk } from './messages.js'

/** Field numbers of Chunk in proto/convoy.proto, with their wire types. */
const TAG = { id: 8, offset: 16, total: 24, crc32: 37, data: 42, shared: 48 }
/** Of the field crc32, with its tag. */
const CRC_BYTES = 5

/**
 * The checksum of a chunk's other fields, which the data go on from: right bytes of another vector or at another offset are also wrong.
 */
export function crcBeforeData({ id, offset, total, shared }: ChunkHead): number {
  return crc32(Buffer.from(Float64Array.of(id, offset, total, Number(shared)).buffer))
}

/**
 * A chunk that is encoded where it is sent from. grpc-js (version 1.14.7) asks a serialized message for its length, and copies it behind the
 * header of its frame; nothing else. So the bytes of a vector are copied once before they are sent. Their checksum is taken on the way: it is that
 * of the bytes that are sent, even if the vector has changed since the chunk was cut.
 */
class ChunkMessage {
  readonly length: number
  readonly #chunk: UnsealedChunk
  readonly #head: Uint8Array
  readonly #headOfData: Uint8Array

  constructor(chunk: UnsealedChunk) {
    const { id, offset, total, data, shared } = chunk
    const head = protobuf.Writer.create().uint32(TAG.id).uint32(id).uint32(TAG.offset).uint64(offset)
    this.#head = head.uint32(TAG.total).uint64(total).uint32(TAG.shared).bool(shared).finish()
    this.#headOfData = protobuf.Writer.create().uint32(TAG.data).uint32(data.length).finish()
    this.#chunk = chunk
    this.length = this.#head.length + CRC_BYTES + this.#headOfData.length + data.length
  }

  get byteLength(): number {
    return this.length
  }

  /** As Buffer's. */
  copy(target: Buffer, start: number): number {
    const { data } = this.#chunk
    const crcAt = start + this.#head.length
    const dataAt = crcAt + CRC_BYTES + this.#headOfData.length
    target.set(this.#head, start)
    target.set(this.#headOfData, crcAt + CRC_BYTES)
    const crc = copyWithCrc32(target, dataAt, data, crcBeforeData(this.#chunk))
    target.writeUInt8(TAG.crc32, crcAt)
    target.writeUInt32LE(crc, crcAt + 1)
    return this.length
  }
}

/** @returns what grpc-js can send; {@link bytesOfMessage} makes bytes of it */
export function serializeChunk(chunk: UnsealedChunk): Buffer {
  return new ChunkMessage(chunk) as unknown as Buffer
}

/** More than all fields before the data of a chunk that {@link serializeChunk} made. */
const HEAD_BYTES = 64

/** Decodes the bytes of a chunk. */
export type DecodeChunk = (bytes: Buffer) => ChunkHead & { crc32: number; data: Buffer }

/** @param decode decodes a whole message @throws Error when it is no chunk */
export function deserializeChunk(message: Buffer | MessagePieces, decode: DecodeChunk): Chunk {
  const inPieces = message instanceof MessagePieces ? readPieces(message, decode) : undefined
  if (inPieces) return inPieces
  const { data, ...head } = decode(message instanceof MessagePieces ? message.begin(message.length) : message)
  return { ...head, length: data.length, pieces: [data] }
}

/** @returns undefined when the data are not the last field, as in the messages of other clients */
function readPieces(message: MessagePieces, decode: DecodeChunk): Chunk | undefined {
  const begin = message.begin(HEAD_BYTES)
  const reader = protobuf.Reader.create(begin)
  try {
    while (reader.pos < reader.len) {
      const end = reader.pos
      const tag = reader.uint32()
      if (tag !== TAG.data) {
        reader.skipType(tag & 7)
        continue
      }
      const length = reader.uint32()
      if (reader.pos + length !== message.length) return undefined
      const { data: _none, ...head } = decode(begin.subarray(0, end))
      return { ...head, length, pieces: message.subarray(reader.pos).pieces }
    }
  } catch (error) {
    // A field before the data does not end in what was looked at.
    if (!(error instanceof RangeError)) throw error
  }
  return undefined
}

/** The bytes of what {@link serializeChunk} returns. */
export function bytesOfMessage(message: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(message.length)
  message.copy(bytes, 0)
  return bytes
}
