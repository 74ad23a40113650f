import type { ColumnValues } from '../data/dataset.js'
import { sizeOf } from '../data/dataset.js'
import { ConvoyError } from '../shared/errors.js'
import type { Values } from './values.js'
import { isTensor } from './values.js'

/**
 * Values of several samples: a tensor `[samples, …]` of any copy of TensorFlow.js, float32 or int32; or the values one after the other, with the
 * shape of one sample (`[]` is one number). An Int32Array is int32, everything else float32.
 */
export type ArrayInput = Values | { readonly values: ArrayLike<number>; readonly shape: readonly number[] }

/** An {@link ArrayInput} as a data set and an engine take it. */
export interface ReadArray {
  readonly type: 'float32' | 'int32'
  /** Of one sample. */
  readonly shape: readonly number[]
  /** `[samples, …shape]` */
  readonly values: ColumnValues
}

/** @param what where it is, for errors @throws ConvoyError('usage') for another type, or values that make no whole samples */
export function readArray(what: string, given: ArrayInput): ReadArray {
  if (isTensor(given)) {
    const { dtype, shape } = given
    if (dtype !== 'float32' && dtype !== 'int32')
      throw new ConvoyError('usage', `${what} is of type ${dtype}; give float32 or int32.`)
    const values = dtype === 'int32' ? Int32Array.from(given.dataSync()) : Float32Array.from(given.dataSync())
    return checked(what, { type: dtype, shape: shape.slice(1), values })
  }
  const { values, shape } = given as Partial<Exclude<ArrayInput, Values>>
  if (values === undefined || !Array.isArray(shape))
    throw new ConvoyError('usage', `${what} is neither a tensor nor { values, shape }; give one of these.`)
  return values instanceof Int32Array
    ? checked(what, { type: 'int32', shape, values })
    : checked(what, { type: 'float32', shape, values: Float32Array.from(values) })
}

function checked(what: string, read: ReadArray): ReadArray {
  const { shape, values } = read
  const size = sizeOf(shape)
  if (values.length > 0 && Number.isInteger(values.length / size) && size > 0) return read
  throw new ConvoyError(
    'usage',
    `${what} has ${values.length} numbers, which are no whole samples of the shape [${shape.join(', ')}].`,
  )
}
