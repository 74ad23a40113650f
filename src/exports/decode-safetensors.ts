import { z } from 'zod'
import { ConvoyError } from '../shared/errors.js'
import type { NamedTensor } from './encode-safetensors.js'

const length = z.int().min(0)
const metadataSchema = z.record(z.string(), z.string())
const entrySchema = z.object({ dtype: z.string(), shape: z.array(length), data_offsets: z.tuple([length, length]) })

/** The format allows 100 MB of header. */
const MAX_HEADER_BYTES = 100_000_000

/**
 * Reads float32 tensors; everything is checked before anything is copied.
 * @param file for error texts
 * @throws ConvoyError('data') naming the file and the tensor
 */
export function decodeSafetensors(bytes: Buffer, file: string): NamedTensor[] {
  const broken = brokenIn(file)
  const { header, dataStart } = readHeader(bytes, file)
  const entries = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, entry]) => {
      const { data, success } = entrySchema.safeParse(entry)
      if (!success) throw broken(`${name} has no type, shape or place`)
      const { dtype, shape, data_offsets: place } = data
      return { name, dtype, shape, from: place[0], to: place[1] }
    })
    .sort((a, b) => a.from - b.from)
  let end = 0
  const tensors = entries.map(({ name, dtype, shape, from, to }) => {
    if (dtype !== 'F32') throw broken(`${name} is ${dtype} where F32 is expected`)
    const size = shape.reduce((product, length) => product * length, 1)
    if (to - from !== size * 4) throw broken(`${name} has ${to - from} bytes for the shape [${shape.join(', ')}]`)
    if (from !== end) throw broken(`${name} begins at byte ${from} of the data where ${end} is expected`)
    end = to
    if (dataStart + to > bytes.length) throw broken(`it ends in the middle of ${name}`)
    const values = new Float32Array(size)
    Buffer.from(values.buffer).set(bytes.subarray(dataStart + from, dataStart + to))
    return { name, shape, values }
  })
  if (dataStart + end !== bytes.length) throw broken(`${bytes.length - dataStart - end} bytes follow the last tensor`)
  return tensors
}

/** What the writer of a file says of it: its `__metadata__`. @throws as {@link decodeSafetensors} */
export function decodeSafetensorsMetadata(bytes: Buffer, file: string): Record<string, unknown> {
  const { data } = metadataSchema.safeParse(readHeader(bytes, file).header['__metadata__'])
  return data ?? {}
}

function readHeader(
  bytes: Buffer,
  file: string,
): { readonly header: Readonly<Record<string, unknown>>; readonly dataStart: number } {
  const broken = brokenIn(file)
  if (bytes.length < 8) throw broken('it has no header')
  const headerLength = bytes.readBigUInt64LE(0)
  if (headerLength > MAX_HEADER_BYTES || 8 + Number(headerLength) > bytes.length)
    throw broken(`its header claims ${headerLength} bytes`)
  const dataStart = 8 + Number(headerLength)
  let header: unknown
  try {
    header = JSON.parse(bytes.toString('utf8', 8, dataStart))
  } catch {
    throw broken('its header is no JSON')
  }
  return { header: (header ?? {}) as Record<string, unknown>, dataStart }
}

function brokenIn(file: string): (what: string) => ConvoyError {
  return (what) => new ConvoyError('data', `${file} is not a sound safetensors file: ${what}.`)
}
