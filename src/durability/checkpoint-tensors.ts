import type { NamedTensor } from '../exports/encode-safetensors.js'
import type { ParameterLayout, ParameterTensor } from '../model/parameter-layout.js'
import { ConvoyError } from '../shared/errors.js'
import type { StoredState } from '../training/training-state-tensors.js'

type Vectors = StoredState['tensors']

/**
 * The vectors of a training state as tensors that other programs understand: `weights/<tensor>`, `optimizer/velocity/<tensor>` and so on,
 * each with its shape. They are views: nothing is copied.
 */
export function namedTensors(vectors: Vectors, layout: ParameterLayout): NamedTensor[] {
  return Object.entries(vectors).flatMap(([vector, values]) =>
    partsOf(values.length, layout).map(({ name, shape, offset, size }) => ({
      name: `${vector}/${name}`,
      shape,
      values: values.subarray(offset, offset + size),
    })),
  )
}

/**
 * The vectors that {@link namedTensors} took apart.
 * @param lengths elements of each vector
 * @throws ConvoyError('data') naming a tensor that is missing, is left over or has another size
 */
export function vectorsOf(
  tensors: readonly NamedTensor[],
  lengths: Readonly<Record<string, number>>,
  layout: ParameterLayout,
  file: string,
): Vectors {
  const unused = new Map(tensors.map(({ name, values }) => [name, values]))
  const vectors: Record<string, Float32Array> = {}
  for (const [vector, length] of Object.entries(lengths)) {
    const parts = partsOf(length, layout)
    if (length !== parts.reduce((sum, { size }) => sum + size, 0))
      throw new ConvoyError('data', `${file}: ${vector} has ${length} values; the model has another number of them.`)
    const whole = new Float32Array(length)
    for (const { name, offset, size } of parts) {
      const values = unused.get(`${vector}/${name}`)
      if (values?.length !== size)
        throw new ConvoyError(
          'data',
          `${file}: the tensor ${vector}/${name} is missing or has another size than the model's.`,
        )
      whole.set(values, offset)
      unused.delete(`${vector}/${name}`)
    }
    vectors[vector] = whole
  }
  const [left] = unused.keys()
  if (left !== undefined)
    throw new ConvoyError('data', `${file}: the tensor ${left} belongs to no vector of the manifest.`)
  return vectors
}

/** The tensors inside a vector of all weights, or of the trainable ones. */
function partsOf(length: number, { tensors, weightCount }: ParameterLayout): readonly ParameterTensor[] {
  return length === weightCount ? tensors : tensors.filter(({ trainable }) => trainable)
}
