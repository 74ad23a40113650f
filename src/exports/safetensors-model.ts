import type { Exporter } from './exporter.js'
import { asStrings } from './model-metadata.js'
import { encodeSafetensors } from './encode-safetensors.js'

export const SAFETENSORS_FILE = 'model.safetensors'

/** The weights by name, for Python and others; Convoy itself loads these. */
export const safetensorsModel: Exporter = {
  encode({ model, weights, metadata }) {
    const tensors = model.layout.tensors.map(({ name, shape, offset, size }) => ({
      name,
      shape,
      values: weights.subarray(offset, offset + size),
    }))
    return { [SAFETENSORS_FILE]: encodeSafetensors(tensors, { format: 'convoy', ...asStrings(metadata) }) }
  },
}
