import { z } from 'zod'
import { ConvoyError } from '../../shared/errors.js'
import { counted } from '../../shared/units.js'
import type {
  Arrays,
  ArraysInfo,
  Column,
  ColumnValues,
  Dataset,
  DatasetInfo,
  ImagesInfo,
  TableFeature,
} from '../dataset.js'
import { isImages, MAX_CLASSES, sizeOf } from '../dataset.js'

/**
 * The bytes of `packed.bin`, little-endian, longest elements first, so that all are aligned:
 *
 *     images  [ labels: uint16, count | pixels: uint8, count · height · width · channels ]
 *     arrays  [ inputs …: int32 or float32 | targets …: likewise | sample weights: float32, count where there are any |
 *               labels: uint16, count where there are classes ]
 */

/** Size limit of a data set. It is one array, and arrays of Node 20 have at most 4 GiB. */
const MAX_BYTES = 2 ** 32 - 1
const MAX_COLUMNS = 64
const MAX_SAMPLE_NUMBERS = 2 ** 26
const NUMBER_BYTES = 4
const LABEL_BYTES = 2

type Unnamed<Info> = Info extends DatasetInfo ? Omit<Info, 'name' | 'fingerprint'> : never
/** What decides the size and the meaning of the packed bytes. */
export type PackedShape = Unnamed<ImagesInfo> | Unnamed<ArraysInfo>
/** What decides the size alone. */
type SizedShape = Omit<Unnamed<ImagesInfo>, 'classNames'> | Unnamed<ArraysInfo>

const header = {
  name: z.string().min(1).max(255),
  fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
  count: z.int().min(1),
}
const columnSchema: z.ZodType<Column> = z
  .strictObject({
    name: z.string().min(1).max(255),
    type: z.enum(['float32', 'int32']),
    shape: z.array(z.int().min(1).max(MAX_SAMPLE_NUMBERS)).max(6),
    classNames: z.array(z.string()).min(2).max(MAX_CLASSES).exactOptional(),
  })
  .refine(({ shape }) => sizeOf(shape) <= MAX_SAMPLE_NUMBERS, 'a sample is too large')
const columns = z.array(columnSchema).max(MAX_COLUMNS)

const featureSchema: z.ZodType<TableFeature> = z.strictObject({
  name: z.string(),
  words: z.array(z.string()).exactOptional(),
})

const imagesSchema = z.strictObject({
  ...header,
  height: z.int().min(1).max(65_535),
  width: z.int().min(1).max(65_535),
  channels: z.union([z.literal(1), z.literal(3)]),
  classNames: z.array(z.string()).min(2).max(MAX_CLASSES),
})
const arraysSchema = z
  .strictObject({
    ...header,
    inputs: columns.min(1),
    targets: columns,
    hasWeights: z.literal(true).exactOptional(),
    features: z.array(featureSchema).exactOptional(),
    classNames: z.array(z.string()).max(MAX_CLASSES),
  })
  .refine(({ targets, classNames }) => targets.length === 0 || classNames.length === 0, 'targets or classes')

/** Checks a header, which comes from disk or from a coordinator. */
export function parseHeader(value: unknown): z.ZodSafeParseResult<DatasetInfo> {
  const isOfImages = typeof value === 'object' && value !== null && 'height' in value
  return isOfImages ? imagesSchema.safeParse(value) : arraysSchema.safeParse(value)
}

/** The part of the header that the fingerprint covers: all but the name and the names of a table's columns. */
export function headerOf(info: PackedShape): string {
  const { count, classNames } = info
  if ('height' in info) {
    const { height, width, channels } = info
    return JSON.stringify({ count, height, width, channels, classNames }) + '\n'
  }
  const plain = (list: readonly Column[]): Column[] =>
    list.map(({ name, type, shape, classNames: ofTarget }) => ({
      ...{ name, type, shape },
      ...(ofTarget && { classNames: ofTarget }),
    }))
  const columns = { inputs: plain(info.inputs), targets: plain(info.targets) }
  return JSON.stringify({ count, ...columns, ...(info.hasWeights && { hasWeights: true }), classNames }) + '\n'
}

export function packedBytes(info: SizedShape): number {
  return info.count * bytesOfSample(info)
}

function bytesOfSample(info: SizedShape): number {
  if ('height' in info) return LABEL_BYTES + info.height * info.width * info.channels
  const numbers = [...info.inputs, ...info.targets].reduce((sum, { shape }) => sum + sizeOf(shape), 0)
  return NUMBER_BYTES * (numbers + (info.hasWeights ? 1 : 0)) + (info.classNames.length > 0 ? LABEL_BYTES : 0)
}

/** Call it before allocating memory. @throws ConvoyError('data') for a data set beyond {@link MAX_BYTES} */
export function checkPackedSize(name: string, info: SizedShape): void {
  const bytes = packedBytes(info)
  if (bytes <= MAX_BYTES) return
  const [samples, remedy] =
    'height' in info
      ? [
          `${info.count} images of ${info.height}x${info.width}x${info.channels}`,
          'Use fewer images, or smaller ones with `convoy data import --size`.',
        ]
      : [`${counted(info.count, 'sample')} of ${bytesOfSample(info)} bytes`, 'Use fewer samples, or fewer columns.']
  throw new ConvoyError(
    'data',
    `${name}: ${samples} take ${bytes} bytes, more than the ${MAX_BYTES} that fit. ${remedy}`,
  )
}

/** The arrays of a data set in the order of the packed bytes. */
export function partsOf(dataset: Dataset | Omit<Dataset, 'fingerprint'>): Uint8Array[] {
  return valuesOf(dataset).map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength))
}

function valuesOf(dataset: Dataset | Omit<Dataset, 'fingerprint'>): (Uint8Array | Uint16Array | ColumnValues)[] {
  if ('pixels' in dataset) return [dataset.labels, dataset.pixels]
  const { inputValues, targetValues, sampleWeights, labels } = dataset as Arrays
  return [...inputValues, ...targetValues, sampleWeights, labels]
}

/** The data set in these bytes. @param bytes uint8, `[packedBytes(info)]`; not copied */
export function unpack(info: DatasetInfo, bytes: Uint8Array<ArrayBuffer>): Dataset {
  if (isImages(info)) {
    const labels = new Uint16Array(bytes.buffer, 0, info.count)
    return { ...info, labels, pixels: bytes.subarray(info.count * LABEL_BYTES) }
  }
  let offset = 0
  const take = ({ type, shape }: Column): ColumnValues => {
    const length = info.count * sizeOf(shape)
    const values = new (type === 'int32' ? Int32Array : Float32Array)(bytes.buffer, offset, length)
    offset += values.byteLength
    return values
  }
  const inputValues = info.inputs.map(take)
  const targetValues = info.targets.map(take)
  const sampleWeights = info.hasWeights
    ? (take({ name: 'weight', type: 'float32', shape: [] }) as Float32Array)
    : new Float32Array(0)
  const labels = new Uint16Array(bytes.buffer, offset, info.classNames.length > 0 ? info.count : 0)
  return { ...info, inputValues, targetValues, sampleWeights, labels }
}
