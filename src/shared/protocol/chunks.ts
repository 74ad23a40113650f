import { crc32 } from 'node:zlib'
import { packedBytes, unpackBfloat16 } from '../bfloat16.js'
import { copyWithCrc32 } from '../copy-with-crc32.js'
import { ConvoyError } from '../errors.js'
import { crcBeforeData } from './chunk-message.js'
import type { Chunk, UnsealedChunk } from './messages.js'
import { CHUNK_BYTES } from './services.js'

/**
 * Cuts bytes into chunks in order; no copy. An empty vector is one empty chunk.
 * @param id what the vector is: a weights version or a lease
 * @param before bytes of the whole that came before these, if they are a part of it
 * @param total bytes of the whole
 */
export function* chunksOf(id: number, bytes: Buffer, before = 0, total = bytes.length): Generator<UnsealedChunk> {
  let offset = 0
  do {
    const data = bytes.subarray(offset, offset + CHUNK_BYTES)
    yield { id, offset: before + offset, total, data, shared: false }
    offset += data.length
  } while (offset < bytes.length)
}

/** The chunk for a vector in a shared file. @param totalBytes of the vector */
export function sharedChunk(id: number, totalBytes: number): UnsealedChunk {
  return { id, offset: 0, total: totalBytes, data: Buffer.alloc(0), shared: true }
}

/**
 * Throws ConvoyError('protocol') when the chunk was damaged.
 * @param what names the stream in the error
 */
export function verifyChunk(chunk: Chunk, what: string): void {
  let crc = crcBeforeData(chunk)
  for (const piece of chunk.pieces) crc = crc32(piece, crc)
  compare(chunk, crc, what)
}

function compare(chunk: Chunk, crc: number, what: string): void {
  if (crc !== chunk.crc32) {
    throw new ConvoyError(
      'protocol',
      `${what}: checksum mismatch in the chunk at offset ${chunk.offset} of vector ${chunk.id}`,
    )
  }
}

/**
 * Puts the chunks of one vector together. Accepts only what {@link chunksOf} makes: in order, no gap, no overlap. Values of bfloat16 become
 * float32 where they come: the bytes of a vector begin where its last value will be written last.
 */
export class VectorAssembly<Vector extends Float32Array> {
  readonly id: number
  readonly #what: string
  readonly #vector: Vector
  readonly #packed: number
  readonly #bytes: Buffer
  #received = 0
  #unpacked = 0

  /**
   * @param first the chunk that begins the vector; add() it as well
   * @param vector float32; is filled; its length is the only accepted one, so that no peer decides how much is allocated
   * @param packed values, from the first, that come as bfloat16
   * @throws ConvoyError('protocol') when the vector would have another length
   */
  constructor(first: Chunk, vector: Vector, what: string, packed = 0) {
    const bytes = packedBytes(vector, packed)
    if (first.total !== bytes.length) {
      throw new ConvoyError(
        'protocol',
        `${what}: a vector of ${first.total} bytes came where ${bytes.length} are expected`,
      )
    }
    this.id = first.id
    this.#what = what
    this.#vector = vector
    this.#packed = packed
    this.#bytes = bytes
  }

  /**
   * @returns the vector when this was its last chunk
   * @throws ConvoyError('protocol') on a gap, an overlap, another vector's chunk or a wrong checksum
   */
  add(chunk: Chunk): Vector | undefined {
    const end = chunk.offset + chunk.length
    if (
      chunk.id !== this.id ||
      chunk.offset !== this.#received ||
      end > this.#bytes.length ||
      chunk.total !== this.#bytes.length
    ) {
      throw new ConvoyError(
        'protocol',
        `${this.#what}: vector ${chunk.id} continues at ${chunk.offset} where vector ${this.id} at ${this.#received} is expected`,
      )
    }
    let crc = crcBeforeData(chunk)
    for (const piece of chunk.pieces) {
      crc = copyWithCrc32(this.#bytes, this.#received, piece, crc)
      this.#received += piece.length
    }
    compare(chunk, crc, this.#what)
    this.#unpack()
    return end === this.#bytes.length ? this.#vector : undefined
  }

  /** Each chunk at once: its bytes are in the processor's cache. */
  #unpack(): void {
    const end = Math.min(this.#packed, Math.floor(this.#received / 2))
    unpackBfloat16(this.#vector, this.#packed, this.#unpacked, end)
    this.#unpacked = end
  }
}
