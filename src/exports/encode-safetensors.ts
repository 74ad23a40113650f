/** A named float32 tensor. */
export interface NamedTensor {
  readonly name: string
  readonly shape: readonly number[]
  readonly values: Float32Array
}

/**
 * Encodes tensors in the safetensors format (github.com/huggingface/safetensors): the header's length as 8 bytes little-endian, the JSON
 * header padded with spaces to 8 bytes, then the tensors' bytes without gaps.
 * @param metadata strings for `__metadata__`
 */
export function encodeSafetensors(tensors: readonly NamedTensor[], metadata: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat([...safetensorsParts(tensors, metadata)])
}

/** The bytes of {@link encodeSafetensors} in pieces, for files that are written without a copy: the header, then each tensor. */
export function* safetensorsParts(
  tensors: readonly NamedTensor[],
  metadata: Readonly<Record<string, string>>,
): Generator<Buffer> {
  const header: Record<string, unknown> = { __metadata__: metadata }
  let offset = 0
  for (const { name, shape, values } of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + values.byteLength] }
    offset += values.byteLength
  }
  const json = JSON.stringify(header)
  const padded = Buffer.from(json + ' '.repeat((8 - (Buffer.byteLength(json) % 8)) % 8))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(padded.length))
  yield length
  yield padded
  for (const { values } of tensors) yield Buffer.from(values.buffer, values.byteOffset, values.byteLength)
}
