import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type { Extract } from 'tar-stream'
import { ConvoyError } from '../../shared/errors.js'
import { openRegularFile } from '../../shared/read-file.js'
import { shellWord } from '../../shared/shell-word.js'

const TAR_HEADER_BYTES = 512
const CHECKSUM = { offset: 148, length: 8 }

/** Archives that are no tar, by their first bytes, and how to make a tar of them. */
const OTHER_ARCHIVES: readonly (readonly [signature: string, name: string, remedy: (file: string) => string])[] = [
  ['PK\x03\x04', 'a zip archive', (file) => `unpack it (unzip ${file}) and give the directory`],
  ['7z\xbc\xaf\x27\x1c', 'a 7z archive', (file) => `unpack it (7z x ${file}) and give the directory`],
  ['Rar!\x1a\x07', 'a rar archive', (file) => `unpack it (unrar x ${file}) and give the directory`],
  ['BZh', 'compressed with bzip2', (file) => `unpack it (tar xjf ${file}) and give the directory`],
  ['\xfd7zXZ\0', 'compressed with xz', (file) => `unpack it (tar xJf ${file}) and give the directory`],
  ['\x28\xb5\x2f\xfd', 'compressed with zstd', (file) => `unpack it (tar --zstd -xf ${file}) and give the directory`],
]

/**
 * Distinguishes a tar and a tar.gz by the first bytes, since a name may be wrong.
 * @throws ConvoyError('usage') when it is neither
 */
export async function archiveKind(file: string): Promise<'tar' | 'tar.gz'> {
  const head = await firstBytes(file)
  if (isGzip(head)) return 'tar.gz'
  if (isTarHeader(head)) return 'tar'
  const text = head.toString('latin1')
  const other = OTHER_ARCHIVES.find(([signature]) => text.startsWith(signature))
  if (other !== undefined) throw new ConvoyError('usage', `${file} is ${other[1]}: ${other[2](shellWord(file))}.`)
  throw new ConvoyError('usage', `${file} is neither a directory nor a tar or tar.gz archive; give one of these.`)
}

/** Whether these are the first bytes of a gzip file. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b
}

/** Feeds the tar inside a tar or tar.gz. @param kind of {@link archiveKind} */
export async function unpackArchive(file: string, kind: 'tar' | 'tar.gz', into: Extract): Promise<void> {
  const source = (await openRegularFile(file, 'data')).createReadStream()
  // tar-stream's streams are not declared as Node's.
  const sink = into as unknown as NodeJS.WritableStream
  await (kind === 'tar.gz' ? pipeline(source, createGunzip(), sink) : pipeline(source, sink))
}

async function firstBytes(file: string): Promise<Buffer> {
  const handle = await openRegularFile(file, 'data')
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(TAR_HEADER_BYTES))
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}

/** The checksum of the header, which also the oldest tars have (pubs.opengroup.org, pax, "ustar Interchange Format"). */
function isTarHeader(head: Buffer): boolean {
  if (head.length < TAR_HEADER_BYTES) return false
  const end = CHECKSUM.offset + CHECKSUM.length
  // An archive of nothing is zeros.
  if (head.every((byte) => byte === 0)) return true
  const stated = parseInt(
    head
      .toString('latin1', CHECKSUM.offset, end)
      .replace(/[\0 ]+/g, ' ')
      .trim(),
    8,
  )
  // The checksum's own bytes count as spaces.
  let sum = CHECKSUM.length * 0x20
  head.forEach((byte, index) => {
    if (index < CHECKSUM.offset || index >= end) sum += byte
  })
  return sum === stated
}
