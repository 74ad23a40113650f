/** What is read of a tensor, of any copy of TensorFlow.js. */
export interface Values {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly size: number
  dataSync(): ArrayLike<number>
}

/** Of each output: one tensor, a list in their order, or by their names. */
export type Targets = Values | readonly Values[] | Readonly<Record<string, Values>>

export function isTensor(given: object): given is Values {
  return typeof (given as Partial<Values>).dataSync === 'function'
}

/** The values of several tensors, one after the other. */
export function joinValues(type: string, parts: readonly Values[]): Float32Array | Int32Array {
  const size = parts.reduce((sum, part) => sum + part.size, 0)
  const values = new (type === 'int32' ? Int32Array : Float32Array)(size)
  let offset = 0
  for (const part of parts) {
    values.set(part.dataSync(), offset)
    offset += part.size
  }
  return values
}
