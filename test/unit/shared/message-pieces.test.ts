import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { bytesOf } from '../../../src/shared/bytes-of.js'
import { bytesOfMessage } from '../../../src/shared/protocol/chunk-message.js'
import { chunksOf, verifyChunk, VectorAssembly } from '../../../src/shared/protocol/chunks.js'
import { receiveInPieces } from '../../../src/shared/protocol/message-pieces.js'
import type { Chunk, Refusal, UnsealedChunk, WeightsRequest } from '../../../src/shared/protocol/messages.js'
import { CHANNEL_OPTIONS, CHUNK_BYTES, Data, SERVER_OPTIONS } from '../../../src/shared/protocol/services.js'

const vector = Float32Array.from({ length: 700_001 }, (_, index) => Math.fround(index / 3))
const results = Data.service['Results']!

interface Decoder {
  write(data: Buffer): Buffer[]
}

function newDecoder(maxReadMessageLength = 2 * CHUNK_BYTES): Decoder {
  const call: { decoder: object } = { decoder: { readState: 0, maxReadMessageLength } }
  assert.ok(receiveInPieces({ call: { nextCall: call } }))
  return call.decoder as Decoder
}

function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

function received(framedMessage: Buffer): Chunk {
  return results.requestDeserialize(framedMessage.subarray(5)) as Chunk
}

/** Chunks of 7, 0 and 300 bytes, as they are sent. */
function smallChunks(): { sent: UnsealedChunk[]; bytes: Buffer } {
  const sent = [7, 0, 300].map((length, id) => ({
    id,
    offset: 0,
    total: length,
    data: Buffer.alloc(length, id + 1),
    shared: false,
  }))
  return { sent, bytes: Buffer.concat(sent.map((chunk) => framed(bytesOfMessage(results.requestSerialize(chunk))))) }
}

describe('messages in pieces', () => {
  it('are the same wherever they were cut', () => {
    const { sent, bytes } = smallChunks()
    for (let length = 1; length < bytes.length; length++) {
      const decoder = newDecoder()
      const chunks: Chunk[] = []
      for (let at = 0; at < bytes.length; at += length)
        chunks.push(...decoder.write(bytes.subarray(at, at + length)).map(received))
      assert.equal(chunks.length, sent.length)
      for (const [index, chunk] of chunks.entries()) {
        verifyChunk(chunk, 'test')
        assert.deepEqual(Buffer.concat(chunk.pieces), sent[index]!.data)
      }
    }
  })

  it('may have their fields in any order, and others, as those of other clients', () => {
    const [{ data }] = smallChunks().sent as [UnsealedChunk]
    const own = bytesOfMessage(results.requestSerialize({ id: 0, offset: 0, total: 7, data, shared: false }))
    const dataField = own.subarray(-9)
    const unknown = Buffer.concat([Buffer.from([0xa2, 0x06, 100]), Buffer.alloc(100)])
    for (const parts of [
      [dataField, own.subarray(0, -9)],
      [unknown, own],
      [own, unknown],
    ]) {
      const [message] = newDecoder().write(framed(Buffer.concat(parts)))
      const chunk = received(message!)
      verifyChunk(chunk, 'test')
      assert.deepEqual(Buffer.concat(chunk.pieces), data)
    }
  })

  it('are rejected before they come when they are longer than allowed, and when they are no message', () => {
    assert.throws(() => newDecoder(10).write(framed(Buffer.alloc(11))), /larger than max \(11 vs 10\)/)
    const [message] = newDecoder().write(framed(Buffer.from([42, 200, 1, 0])))
    assert.throws(() => received(message!))
  })

  it('are received by server and client of this grpc-js, while none is on the way', async () => {
    const server = new grpc.Server(SERVER_OPTIONS)
    const uploaded: Chunk[] = []
    server.addService(Data.service, {
      samples: () => undefined,
      weights: (stream: grpc.ServerDuplexStream<WeightsRequest, UnsealedChunk>) => {
        stream.on('data', ({ haveVersion }: WeightsRequest) => {
          for (const chunk of chunksOf(haveVersion + 1, bytesOf(vector))) stream.write(chunk)
        })
        stream.on('end', () => {
          stream.end()
        })
      },
      results: (stream: grpc.ServerDuplexStream<Chunk, Refusal>) => {
        assert.ok(receiveInPieces(stream))
        stream.on('data', (chunk: Chunk) => uploaded.push(chunk))
        stream.on('end', () => {
          stream.end()
        })
      },
    })
    const bound = new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
        if (error) reject(error)
        else resolve(port)
      })
    })
    const client = new Data(`127.0.0.1:${await bound}`, grpc.credentials.createInsecure(), CHANNEL_OPTIONS)
    try {
      const weights = client.weights(new grpc.Metadata())
      const chunks = (weights as AsyncIterable<Chunk>)[Symbol.asyncIterator]()
      for (const haveVersion of [0, 1]) {
        if (haveVersion > 0) assert.ok(receiveInPieces(weights))
        weights.write({ haveVersion, shared: false })
        const { whole, pieces } = await next(chunks)
        assert.deepEqual(whole, vector)
        // A chunk in one piece was copied together: its data come in HTTP/2 frames of 16 KiB.
        assert.equal(pieces > 3, haveVersion > 0)
      }
      weights.end()
      const up = client.results(new grpc.Metadata())
      for (const chunk of chunksOf(1, bytesOf(vector))) up.write(chunk)
      up.end()
      up.resume()
      await once(up, 'end')
      assert.deepEqual(Buffer.concat(uploaded.flatMap((chunk) => chunk.pieces)), bytesOf(vector))
      assert.ok(uploaded.flatMap((chunk) => chunk.pieces).length > uploaded.length)
    } finally {
      client.close()
      server.forceShutdown()
    }
  })
})

/** The next vector, and the pieces in which it came. */
async function next(chunks: AsyncIterator<Chunk>): Promise<{ whole: Float32Array; pieces: number }> {
  let assembly: VectorAssembly<Float32Array> | undefined
  let pieces = 0
  for (;;) {
    const { value: chunk } = (await chunks.next()) as IteratorYieldResult<Chunk>
    assembly ??= new VectorAssembly(chunk, new Float32Array(vector.length), 'test')
    pieces += chunk.pieces.length
    const whole = assembly.add(chunk)
    if (whole) return { whole, pieces }
  }
}
