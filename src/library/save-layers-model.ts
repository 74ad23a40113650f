import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { io, LayersModel } from '@tensorflow/tfjs'
import { tensorLike } from './tensor-like.js'

/** Writes a model as `model.save` would to a file URL, whatever backend it is on. */
export async function saveLayersModel(model: LayersModel, directory: string): Promise<void> {
  mkdirSync(directory)
  const save = (artifacts: io.ModelArtifacts): Promise<io.SaveResult> => {
    const { modelTopology, weightSpecs, weightData } = artifacts
    const parts = [weightData ?? []].flat().map((part) => Buffer.from(part))
    const weightsManifest = [{ paths: ['weights.bin'], weights: weightSpecs }]
    const content = { format: 'layers-model', modelTopology, weightsManifest }
    writeFileSync(path.join(directory, 'model.json'), JSON.stringify(content))
    writeFileSync(path.join(directory, 'weights.bin'), Buffer.concat(parts))
    return Promise.resolve({ modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } })
  }
  await model.save({ save })
}

/**
 * Sets a model's weights.
 * @param weights float32 values by the weights' names
 */
export function setWeights(model: LayersModel, weights: ReadonlyMap<string, Float32Array>): void {
  const tensors = model.weights.map((weight) => {
    const values = weights.get(weight.originalName)
    // Frozen: it stays as it is.
    if (values === undefined) return weight.read().clone()
    return tensorLike(weight.read(), values)
  })
  model.setWeights(tensors)
  for (const tensor of tensors) tensor.dispose()
}
