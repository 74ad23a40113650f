import sharp from 'sharp'
import { ConvoyError } from '../../shared/errors.js'
import { formatOf, isDecodable } from './image-names.js'
import { readTiffTag } from './tiff-tag.js'

// Small images in parallel: threads and caches inside one image only cost.
sharp.concurrency(1)
sharp.cache(false)

/** Largest image that is decoded: 64 megapixels. Anything larger is a mistake or an attack. */
const MAX_PIXELS = 64 * 2 ** 20

export interface DecodedImage {
  /** uint8, `[height, width, channel]`. */
  readonly pixels: Uint8Array
  readonly height: number
  readonly width: number
  /** Whether other frames or pages were left out. */
  readonly hasMore: boolean
}

/**
 * Decodes an image: its first frame or page, turned as EXIF says, transparent pixels laid on black, colours as sRGB. 16 bits
 * become their upper 8 (which is v / 257 where v is a multiple of it). Other samples (floating-point, signed, 32 bits) are
 * rejected, because their value of white is not known.
 * @param where how a message calls it
 * @param channels 1 is grey, 3 is RGB
 * @param size scales to it, and cuts at the centre where the ratio of the sides differs
 * @throws ConvoyError('data') when it cannot be decoded
 */
export async function decodePixels(
  bytes: Buffer,
  where: string,
  channels: number,
  size?: { readonly height: number; readonly width: number },
): Promise<DecodedImage> {
  try {
    const hasMore = await inspect(bytes, where)
    const image = sharp(bytes, { limitInputPixels: MAX_PIXELS, failOn: 'error' }).autoOrient()
    if (size !== undefined) image.resize(size.width, size.height, { fit: 'cover', kernel: 'lanczos3' })
    const { data, info } = await image
      .flatten()
      .toColourspace(channels === 1 ? 'b-w' : 'srgb')
      .raw()
      .toBuffer({ resolveWithObject: true })
    if (info.channels !== channels) throw unsupported(where, `decodes to ${info.channels} channels`)
    return { pixels: data, height: info.height, width: info.width, hasMore }
  } catch (error) {
    throw undecodable(bytes, where, error)
  }
}

/** Height and width after turning. @throws ConvoyError('data') when it cannot be decoded */
export async function sizeOfImage(bytes: Buffer, where: string): Promise<{ height: number; width: number }> {
  try {
    const { autoOrient } = await sharp(bytes, { limitInputPixels: MAX_PIXELS }).metadata()
    return autoOrient
  } catch (error) {
    throw undecodable(bytes, where, error)
  }
}

/** @returns whether there are more frames or pages than one @throws ConvoyError('data') for samples that have no stated scale */
async function inspect(bytes: Buffer, where: string): Promise<boolean> {
  const format = formatOf(bytes)
  // Of the formats that are decoded, only TIFF has other samples than 8 and 16 bits.
  if (format === 'TIFF') {
    const {
      depth,
      space,
      channels,
      hasAlpha,
      pages = 1,
    } = await sharp(bytes, { limitInputPixels: MAX_PIXELS }).metadata()
    // CIELAB of 16 bits is signed, and its scale is defined.
    if (depth !== 'uchar' && depth !== 'ushort' && space !== 'labs')
      throw unsupported(where, `has ${SAMPLES[depth] ?? `samples of the type ${depth}`}`)
    const colours = space === 'cmyk' ? 4 : space === 'grey16' || space === 'b-w' ? 1 : 3
    if (channels - (hasAlpha ? 1 : 0) > colours) throw unsupported(where, `has ${channels} channels`)
    if (channels > colours && readTiffTag(bytes, EXTRA_SAMPLES) === 0)
      throw unsupported(where, `has ${channels} channels, the last of which is not marked as alpha`)
    return pages > 1
  }
  if (format === 'GIF') return ((await sharp(bytes).metadata()).pages ?? 1) > 1
  // The animation flag of the extended header (developers.google.com/speed/webp/docs/riff_container).
  return format === 'WebP' && bytes.toString('latin1', 12, 16) === 'VP8X' && (bytes[20]! & 2) !== 0
}

/** 338; value 0: unspecified. */
const EXTRA_SAMPLES = 338
const SAMPLES: Readonly<Record<string, string>> = {
  char: 'signed 8-bit samples',
  short: 'signed 16-bit samples',
  uint: '32-bit integer samples',
  int: 'signed 32-bit integer samples',
  float: 'floating-point samples',
  double: 'floating-point samples',
  complex: 'complex samples',
  dpcomplex: 'complex samples',
}

function unsupported(where: string, what: string): ConvoyError {
  return new ConvoyError(
    'data',
    `${where} ${what}; Convoy takes grey, RGB or CMYK of 8 or 16 bits (unsigned integers), with or without alpha. Scale or convert it to that first.`,
  )
}

function undecodable(bytes: Buffer, where: string, error: unknown): ConvoyError {
  if (error instanceof ConvoyError) return error
  const format = formatOf(bytes)
  if (format !== undefined && !isDecodable(format)) {
    return new ConvoyError(
      'data',
      `${where} cannot be decoded: it is a ${format} file, which this build does not read; convert it to JPEG or PNG.`,
      { cause: error },
    )
  }
  const reason = (error as Error).message.split('\n')[0]
  return new ConvoyError('data', `${where} cannot be decoded as an image: ${reason}.`, { cause: error })
}
