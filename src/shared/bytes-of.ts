/** The bytes of a float32 vector; no copy. All platforms that TensorFlow supports are little-endian, as wire and files are. */
export function bytesOf(vector: Float32Array): Buffer {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength)
}
