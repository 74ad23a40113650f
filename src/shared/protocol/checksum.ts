import { crc32 } from 'node:zlib'
import type * as grpc from '@grpc/grpc-js'
import protobuf from 'protobufjs'
import { ConvoyError } from '../errors.js'
import type { DecodeChunk } from './chunk-message.js'
import { deserializeChunk, serializeChunk } from './chunk-message.js'
import type { UnsealedChunk } from './messages.js'

/** Field 15, fixed32: other readers of the proto file skip it. */
const FIELD = 15
const TAG = (FIELD << 3) | 5
const TRAILER_BYTES = 5
/**
 * Larger requests that are no chunks are rejected before decoding: a string of a megabyte stays in memory until V8 collects all garbage.
 * The longest valid requests are 16 log lines.
 */
const MAX_REQUEST_BYTES = 128 * 1024

type Method = grpc.MethodDefinition<unknown, unknown>

/**
 * - required: a message without a checksum is rejected
 * - optional: a request may have no checksum, as from other clients (grpcurl, grpcio); a wrong checksum is rejected
 */
export type ChecksumRule = 'required' | 'optional'

/** Requests without a checksum, and the replies to them: other clients would show field 15 as an unknown field. */
const bare = new WeakSet<object>()

/**
 * Appends a CRC-32 of the message to every message. A flipped bit in a lease or in the reply to a join would give a well-formed message
 * and other weights. TCP's 16-bit sum misses one damaged segment in 65,536.
 * Chunks have a checksum of their own and are encoded without a copy: chunk-message.ts.
 */
export function withChecksums(service: grpc.ServiceDefinition, rule: ChecksumRule): grpc.ServiceDefinition {
  return Object.fromEntries(
    Object.entries(service).map(([name, method]) => [name, withChecksum(method as Method, rule)]),
  )
}

/** Marks a reply to be sent without a checksum if its request had none. @returns the reply */
export function repliesLike<Reply extends object>(request: object, reply: Reply): Reply {
  if (bare.has(request)) bare.add(reply)
  return reply
}

function withChecksum(method: Method, rule: ChecksumRule): Method {
  const { requestSerialize, requestDeserialize, responseSerialize, responseDeserialize } = method
  const checksRequest = !isChunk(method, 'requestType')
  const checksResponse = !isChunk(method, 'responseType')
  return {
    ...method,
    ...(!checksRequest && {
      requestSerialize: (chunk: unknown) => serializeChunk(chunk as UnsealedChunk),
      requestDeserialize: (bytes: Buffer) => deserializeChunk(bytes, requestDeserialize as DecodeChunk),
    }),
    ...(!checksResponse && {
      responseSerialize: (chunk: unknown) => serializeChunk(chunk as UnsealedChunk),
      responseDeserialize: (bytes: Buffer) => deserializeChunk(bytes, responseDeserialize as DecodeChunk),
    }),
    ...(checksRequest && {
      requestSerialize: (message: unknown) => sealed(requestSerialize(message)),
      requestDeserialize: (bytes: Buffer) => {
        if (bytes.length > MAX_REQUEST_BYTES)
          throw new ConvoyError(
            'protocol',
            `A request has ${bytes.length} bytes; at most ${MAX_REQUEST_BYTES} are allowed.`,
          )
        if (rule === 'required' || hasChecksum(bytes)) return requestDeserialize(unsealed(bytes))
        const request = requestDeserialize(bytes)
        bare.add(request as object)
        return request
      },
    }),
    ...(checksResponse && {
      responseSerialize: (message: unknown) => {
        const bytes = responseSerialize(message)
        return bare.has(message as object) ? bytes : sealed(bytes)
      },
      responseDeserialize: (bytes: Buffer) => responseDeserialize(unsealed(bytes)),
    }),
  }
}

function isChunk(method: Method, side: 'requestType' | 'responseType'): boolean {
  return (method as unknown as Record<typeof side, { type: { name: string } }>)[side].type.name === 'Chunk'
}

function sealed(message: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(message.length + TRAILER_BYTES)
  message.copy(bytes)
  bytes.writeUInt8(TAG, message.length)
  bytes.writeUInt32LE(crc32(message), message.length + 1)
  return bytes
}

/** Whether the message has field 15, at any position. @throws RangeError when these bytes are no message */
function hasChecksum(bytes: Buffer): boolean {
  const reader = protobuf.Reader.create(bytes)
  while (reader.pos < reader.len) {
    const tag = reader.uint32()
    if (tag >>> 3 === FIELD) return true
    reader.skipType(tag & 7)
  }
  return false
}

/** Checks and removes the checksum. @throws ConvoyError('protocol') when the message was damaged */
function unsealed(bytes: Buffer): Buffer {
  const length = bytes.length - TRAILER_BYTES
  const message = bytes.subarray(0, Math.max(0, length))
  if (length < 0 || bytes[length] !== TAG || bytes.readUInt32LE(length + 1) !== crc32(message)) {
    throw new ConvoyError('protocol', 'A message was damaged in transit, or comes from another version of Convoy.')
  }
  return message
}
