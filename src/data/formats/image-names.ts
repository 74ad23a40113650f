import path from 'node:path'

/** Names of files that are taken for images. */
const IMAGE_NAME = /\.(jpe?g|jpe|jfif|jif|pjpe?g|pjp|a?png|webp|gif|tiff?|avif)$/i

/** For messages: what can be decoded. */
export const IMAGE_FORMATS = 'jpg, png, webp, gif, tiff, avif'

/** Images that the installed decoder cannot decode, or that have no pixels, by extension. */
const OTHER_FORMATS: readonly (readonly [format: string, extensions: string])[] = [
  ['HEIC', 'heic heif heics heifs hif'],
  ['BMP', 'bmp dib'],
  ['JPEG 2000', 'jp2 j2k jpf jpx jpm'],
  ['JPEG XL', 'jxl'],
  ['JPEG XR', 'jxr wdp hdp'],
  ['SVG', 'svg svgz'],
  ['icon', 'ico cur icns'],
  ['Photoshop', 'psd psb'],
  ['camera raw', 'cr2 cr3 crw nef nrw arw srf sr2 dng orf rw2 raf pef srw x3f raw 3fr rwl'],
  ['netpbm', 'pbm pgm ppm pnm pam pfm'],
  ['TGA', 'tga'],
  ['PCX', 'pcx'],
  ['OpenEXR', 'exr'],
  ['Radiance', 'hdr'],
  ['FITS', 'fits fit fts'],
  ['DICOM', 'dcm dicom'],
  ['NIfTI', 'nii'],
  ['NumPy', 'npy npz'],
  ['DDS', 'dds'],
  ['XCF', 'xcf'],
]
const FORMAT_OF = new Map(
  OTHER_FORMATS.flatMap(([format, extensions]) => extensions.split(' ').map((extension) => [extension, format])),
)
/** What stands beside images and is certainly none: it is not opened to look. */
const NO_IMAGE = new Set(
  'txt md rst log json jsonl ndjson xml csv tsv yaml yml toml ini cfg html htm css js ts py ipynb sh mat pkl parquet db sqlite zip gz tgz tar xz bz2 zst 7z rar pdf doc docx xls xlsx mp4 mov avi mkv webm mp3 wav bin'.split(
    ' ',
  ),
)

/** What a file's name promises; `unknown` may still hold an image. */
export type NameKind = 'image' | { readonly format: string } | 'other' | 'unknown'

export function kindOfName(name: string): NameKind {
  if (IMAGE_NAME.test(name)) return 'image'
  const extension = path.posix.extname(name).slice(1).toLowerCase()
  const format = FORMAT_OF.get(extension)
  if (format !== undefined) return { format }
  return NO_IMAGE.has(extension) ? 'other' : 'unknown'
}

/** How many bytes {@link formatOf} wants to see. */
export const SIGNATURE_BYTES = 16

/** Whether the installed decoder can decode the format. */
export function isDecodable(format: string): boolean {
  return ['JPEG', 'PNG', 'WebP', 'GIF', 'TIFF', 'AVIF'].includes(format)
}

/** The image format of a file's first bytes; its name does not matter. */
export function formatOf(bytes: Buffer): string | undefined {
  const text = bytes.toString('latin1', 0, SIGNATURE_BYTES)
  if (text.startsWith('\xff\xd8\xff')) return 'JPEG'
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return 'PNG'
  if (text.startsWith('GIF87a') || text.startsWith('GIF89a')) return 'GIF'
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP') return 'WebP'
  if (/^(II[*+]\0|MM\0[*+])/.test(text)) return 'TIFF'
  if (/^....ftyp(avif|avis)/s.test(text)) return 'AVIF'
  if (/^....ftyp(hei[cxms]|hev[cmsx]|mif1|msf1)/s.test(text)) return 'HEIC'
  if (text.startsWith('\0\0\0\fjP  ') || text.startsWith('\xff\x4f\xff\x51')) return 'JPEG 2000'
  if (text.startsWith('\0\0\0\fJXL ') || text.startsWith('\xff\x0a')) return 'JPEG XL'
  if (/^BM....\0\0\0\0/s.test(text)) return 'BMP'
  if (text.startsWith('8BPS')) return 'Photoshop'
  if (text.startsWith('v/1\x01')) return 'OpenEXR'
  if (text.startsWith('#?RADIANCE') || text.startsWith('#?RGBE')) return 'Radiance'
  return undefined
}
