import { bytesOf } from '../shared/bytes-of.js'
import type { Exporter } from './exporter.js'

/**
 * The model as stock TensorFlow.js loads it: `tf.loadLayersModel('file://…/layers-model/model.json')`. The metadata is what
 * `model.getUserDefinedMetadata()` gives there.
 */
export const layersModel: Exporter = {
  encode({ model: { topology }, tensors, metadata }) {
    const model = {
      format: 'layers-model',
      generatedBy: `convoy ${metadata.convoy}`,
      convertedBy: null,
      userDefinedMetadata: metadata,
      modelTopology: topology,
      weightsManifest: [
        {
          paths: ['weights.bin'],
          weights: tensors.map(({ name, shape }) => ({ name, shape, dtype: 'float32' })),
        },
      ],
    }
    return {
      'layers-model/model.json': `${JSON.stringify(model)}\n`,
      'layers-model/weights.bin': Buffer.concat(tensors.map(({ values }) => bytesOf(values))),
    }
  },
}
