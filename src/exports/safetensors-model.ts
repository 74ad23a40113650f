import type { Exporter } from './exporter.js'
import { asStrings } from './model-metadata.js'
import { encodeSafetensors } from './encode-safetensors.js'

export const SAFETENSORS_FILE = 'model.safetensors'

/** The weights by name, for Python and others; Convoy itself loads these. */
export const safetensorsModel: Exporter = {
  encode({ tensors, metadata }) {
    return { [SAFETENSORS_FILE]: encodeSafetensors(tensors, { format: 'convoy', ...asStrings(metadata) }) }
  },
}
