import type { ModelDescription } from '../model/parameter-layout.js'
import type { ModelMetadata } from './model-metadata.js'

/** Files of a LayersModel directory. */
export interface LayersModelFiles {
  /** `model.json` */
  readonly model: string
  /** `weights.bin` */
  readonly weights: Buffer
}

/**
 * The model as stock TensorFlow.js loads it: `tf.loadLayersModel('file://…/model.json')`.
 * @param weights float32, `[layout.weightCount]`
 * @param metadata what `model.getUserDefinedMetadata()` gives there
 */
export function encodeLayersModel(
  { topology, layout }: ModelDescription,
  weights: Float32Array,
  metadata: ModelMetadata,
): LayersModelFiles {
  const model = {
    format: 'layers-model',
    generatedBy: `convoy ${metadata.convoy}`,
    convertedBy: null,
    userDefinedMetadata: metadata,
    modelTopology: topology,
    weightsManifest: [
      {
        paths: ['weights.bin'],
        weights: layout.tensors.map(({ name, shape }) => ({ name, shape, dtype: 'float32' })),
      },
    ],
  }
  return {
    model: `${JSON.stringify(model)}\n`,
    weights: Buffer.from(weights.buffer, weights.byteOffset, weights.byteLength),
  }
}
