import assert from 'node:assert/strict'
import { test } from 'node:test'
import { packBfloat16, roundToBfloat16 } from '../../../src/shared/bfloat16.js'
import { bytesOf } from '../../../src/shared/bytes-of.js'
import { bytesOfMessage } from '../../../src/shared/protocol/chunk-message.js'
import { chunksOf, sharedChunk, VectorAssembly, verifyChunk } from '../../../src/shared/protocol/chunks.js'
import { repliesLike } from '../../../src/shared/protocol/checksum.js'
import type { Chunk, UnsealedChunk } from '../../../src/shared/protocol/messages.js'
import { Admin, Control, Data } from '../../../src/shared/protocol/services.js'

const vector = Float32Array.from({ length: 700_000 }, (_, index) => Math.fround(index / 3))
const results = Data.service['Results']!

/** As it comes at the other end. */
function received(chunk: UnsealedChunk): Chunk {
  return results.requestDeserialize(bytesOfMessage(results.requestSerialize(chunk))) as Chunk
}

const chunks = [...chunksOf(9, bytesOf(vector))].map(received)

function cut(bytes: Buffer, length: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / length) }, (_, index) =>
    bytes.subarray(index * length, (index + 1) * length),
  )
}

function assemble(parts: Chunk[], expected = vector.length): Float32Array | undefined {
  const assembly = new VectorAssembly(parts[0]!, new Float32Array(expected), 'test')
  let whole: Float32Array | undefined
  for (const chunk of parts) whole = assembly.add(chunk)
  return whole
}

test('a vector is the same after it is split into chunks and assembled', () => {
  assert.equal(chunks.length, 3)
  assert.deepEqual(assemble(chunks), vector)
})

test('values of bfloat16 are the same after they came in chunks of two bytes each, in pieces of any length', () => {
  for (const [count, pieceBytes] of [
    [vector.length - 1, 65_535],
    [600_001, 16_384],
    [vector.length, 1_000_003],
    [1, 7],
  ] as const) {
    const rounded = vector.slice()
    roundToBfloat16(rounded, count)
    const packed = [...chunksOf(9, packBfloat16(rounded.slice(), count))].map(received)
    assert.equal(packed[0]!.total, 4 * vector.length - 2 * count)
    const assembly = new VectorAssembly(packed[0]!, new Float32Array(vector.length).fill(NaN), 'test', count)
    let whole: Float32Array | undefined
    for (const chunk of packed) whole = assembly.add({ ...chunk, pieces: cut(Buffer.concat(chunk.pieces), pieceBytes) })
    assert.deepEqual(whole, rounded)
  }
})

test('a vector of float32 is rejected where one of bfloat16 is expected, and the reverse', () => {
  assert.throws(
    () => new VectorAssembly(chunks[0]!, new Float32Array(vector.length), 'test', vector.length),
    /2800000 bytes came where 1400000 are expected/,
  )
  const [packed] = [...chunksOf(9, packBfloat16(vector.slice(), vector.length))].map(received)
  assert.throws(() => assemble([packed!]), /1400000 bytes came where 2800000 are expected/)
})

test('fault 42: chunks out of order, twice, with a gap, overlapping or of another vector are rejected', () => {
  const [first, second, third] = chunks as [Chunk, Chunk, Chunk]
  assert.throws(() => assemble([second, first, third]), /is expected/)
  assert.throws(() => assemble([first, first]), /is expected/)
  assert.throws(() => assemble([first, third]), /is expected/)
  assert.throws(() => assemble([first, { ...second, id: 10 }]), /is expected/)
})

test('the checksum detects a flipped bit in the data', () => {
  const [first] = chunks as [Chunk]
  const data = Buffer.concat(first.pieces)
  data[1000]! ^= 4
  assert.throws(() => assemble([{ ...first, pieces: [data] }]), /checksum/)
})

test('the checksum detects a flipped bit that gives another well-formed chunk or lease', () => {
  const [first] = chunks as [Chunk]
  for (const other of [{ id: 8 }, { offset: 4 }, { total: first.total + 4 }])
    assert.throws(() => verifyChunk({ ...first, ...other }, 'test'), /checksum/)
  assert.throws(() => verifyChunk({ ...received(sharedChunk(9, 4)), id: 8 }, 'test'), /checksum/)
  const work = Control.service['Work']!
  const sent = work.responseSerialize({
    lease: { lease: 3, work: 'WORK_GRADIENT', step: 5, firstShard: 2, shardCount: 2 },
  })
  for (let bit = 0; bit < sent.length * 8; bit++) {
    const damaged = Buffer.from(sent)
    damaged[bit >> 3]! ^= 1 << (bit & 7)
    assert.throws(() => void work.responseDeserialize(damaged), /damaged in transit/)
  }
})

test('only Admin accepts a request without a checksum; no service accepts a wrong one', () => {
  const status = Admin.service['Status']!
  const request = status.requestDeserialize(Buffer.alloc(0)) as object
  assert.deepEqual(request, {})
  const own = status.requestSerialize({})
  assert.equal(own.length, 5)
  for (let bit = 8; bit < own.length * 8; bit++) {
    const damaged = Buffer.from(own)
    damaged[bit >> 3]! ^= 1 << (bit & 7)
    assert.throws(() => void status.requestDeserialize(damaged), /damaged in transit/)
  }
  // A correct checksum followed by other bytes does not cover them; a truncated one is invalid.
  for (const wrong of [Buffer.concat([own, Buffer.from([8, 1])]), own.subarray(0, 3)])
    assert.throws(() => void status.requestDeserialize(wrong))

  // A client without checksums would show field 15 as unknown; a client with checksums verifies the reply.
  const reply = { state: 'training', step: 3 }
  assert.ok(
    status.responseSerialize(repliesLike(status.requestDeserialize(own) as object, { ...reply })).includes(0x7d),
  )
  const bare = status.responseSerialize(repliesLike(request, { ...reply }))
  assert.equal(bare.includes(0x7d), false)
  assert.throws(() => void status.responseDeserialize(bare), /damaged in transit/)

  for (const method of [
    Control.service['Join']!,
    Control.service['Work']!,
    Data.service['Weights']!,
    Data.service['Samples']!,
  ])
    assert.throws(() => void method.requestDeserialize(Buffer.alloc(0)), /damaged in transit/, method.path)
})

test('a peer does not control how much memory is allocated', () => {
  assert.throws(() => assemble([{ ...chunks[0]!, total: 2 ** 40 }]), /bytes are expected|are expected/)
  assert.throws(() => assemble(chunks, vector.length + 1), /bytes came where 2800004 are expected/)
})

test('the message types of TypeScript have the fields of convoy.proto', () => {
  const join = Control.service['Join']!
  const request = {
    protocol: 1,
    name: 'n',
    device: { kind: 'cpu', name: 'x', tensorflowVersion: '2', fingerprint: 'f' },
    incarnation: 'i',
    host: 'h',
  }
  assert.deepEqual(join.requestDeserialize(join.requestSerialize(request)), request)
  const work = Control.service['Work']!
  const lease = {
    lease: 3,
    work: 'WORK_EVALUATE',
    step: 5,
    split: 'test',
    firstShard: 2,
    shardCount: 4,
    weightsVersion: 6,
  }
  assert.deepEqual(work.responseDeserialize(work.responseSerialize({ lease })), { lease })
  const gpu = {
    utilization: 0.5,
    memoryUsedBytes: 2 ** 34,
    memoryBytes: 2 ** 36,
    temperatureCelsius: 61,
    powerWatts: 250,
  }
  const phases = [{ phase: 'wait', counts: [1, 0, 2 ** 33], seconds: 0.25 }]
  const heartbeatStats = { residentBytes: 5, tensors: 7, tensorBytes: 28, eventLoopDelaySeconds: 0.125, phases }
  const beat = { heartbeat: { shardsDone: 2 ** 40, workers: 8, ...heartbeatStats, gpu } }
  assert.deepEqual(work.requestDeserialize(work.requestSerialize(beat)), beat)
  const line = { level: 'warn', module: 'worker', message: 'm', secondsAgo: 0.5 }
  const logs = { logs: { lines: [line], leftOut: 3 } }
  assert.deepEqual(work.requestDeserialize(work.requestSerialize(logs)), logs)
  const reply = { worker: 1, session: 's', run: '{}', heartbeatMs: 750, logLevel: 'warn', runName: 'r' }
  assert.deepEqual(join.responseDeserialize(join.responseSerialize(reply)), { ...reply, sharedFiles: null })
  const [, , chunk] = chunksOf(9, bytesOf(vector))
  const { crc32, length, pieces, ...head } = received(chunk!)
  assert.deepEqual({ ...head, data: Buffer.concat(pieces) }, chunk)
  assert.equal(length, chunk!.data.length)
  assert.equal(crc32, chunks[2]!.crc32)
  const refusal = { lease: 1, code: 'stale', reason: 'stale' }
  assert.deepEqual(results.responseDeserialize(results.responseSerialize(refusal)), refusal)
})
