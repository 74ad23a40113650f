/** Value types of TIFF 6.0, section 2: bytes of one value. */
const SHORT = 3
const ENTRY_BYTES = 12

/**
 * The first value of a tag (of 16 bits) in the first directory of a TIFF.
 * @returns 0 where the tag is missing or has another type; undefined for a BigTIFF or a directory that lies outside of the file
 */
export function readTiffTag(bytes: Buffer, tag: number): number | undefined {
  const little = bytes[0] === 0x49
  const read16 = (offset: number): number => (little ? bytes.readUInt16LE(offset) : bytes.readUInt16BE(offset))
  const read32 = (offset: number): number => (little ? bytes.readUInt32LE(offset) : bytes.readUInt32BE(offset))
  try {
    if (read16(2) !== 42) return undefined
    const directory = read32(4)
    for (let entry = 0; entry < read16(directory); entry++) {
      const offset = directory + 2 + entry * ENTRY_BYTES
      if (read16(offset) !== tag || read16(offset + 2) !== SHORT) continue
      return read16(read32(offset + 4) <= 2 ? offset + 8 : read32(offset + 8))
    }
    return 0
  } catch {
    return undefined
  }
}
