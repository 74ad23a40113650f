import type { LayersModel } from '@tensorflow/tfjs'
import { loadPackedDataset } from '../data/cache/packed-cache.js'
import type { ArraysInfo } from '../data/dataset.js'
import { isImages, sizeOf } from '../data/dataset.js'
import type { DecodedArrays } from '../data/formats/dataset-format.js'
import { ConvoyError } from '../shared/errors.js'
import { leafLayers } from './layer-support.js'
import type { LeafLayer } from './layer-support.js'

/** One tensor of a layer that is not trained (`trainable: false`), in the vector of all of them. */
export interface FrozenTensor {
  /** The LayersModel's weight name. */
  readonly name: string
  readonly shape: readonly number[]
  readonly offset: number
  readonly size: number
}

/**
 * Weights that a run does not change. They are no part of the vectors that travel in each step, and the optimizer has no state for them: they
 * lie in the cache like a data set, and a worker that lacks them fetches them once.
 */
export interface FrozenWeights {
  /** Of the arrays in the cache: one input, float32, with all values. */
  readonly stored: ArraysInfo
  readonly tensors: readonly FrozenTensor[]
}

const STATISTICS = ['moving_mean', 'moving_variance']

/** The weights of a layer that stay as they are. The moving statistics of batch norm do so when its scale and offset do. */
export function frozenWeightsOf({ layer }: LeafLayer): LayersModel['weights'] {
  const trained = new Set(layer.trainableWeights)
  const isStatistic = ({ originalName }: (typeof layer.weights)[number]): boolean =>
    STATISTICS.includes(originalName.split('/').at(-1)!)
  const others = layer.weights.filter((weight) => !isStatistic(weight))
  const isFrozen = others.length > 0 ? others.every((weight) => !trained.has(weight)) : !layer.trainable
  return layer.weights.filter((weight) => !trained.has(weight) && (!isStatistic(weight) || isFrozen))
}

/** The frozen weights of a model and their values, as they are to be stored; undefined: it has none. */
export function frozenTensors(
  model: LayersModel,
): { readonly tensors: readonly FrozenTensor[]; readonly values: Float32Array<ArrayBuffer> } | undefined {
  const weights = leafLayers(model.layers).flatMap(frozenWeightsOf)
  if (weights.length === 0) return undefined
  let offset = 0
  const tensors = weights.map((weight) => {
    const shape = weight.shape.map(Number)
    const tensor = { name: weight.originalName, shape, offset, size: sizeOf(shape) }
    offset += tensor.size
    return tensor
  })
  const values = new Float32Array(offset)
  for (const [index, weight] of weights.entries())
    values.set(weight.read().dataSync<'float32'>(), tensors[index]!.offset)
  return { tensors, values }
}

/** The arrays that hold frozen weights. @param name of the model */
export function asArrays(name: string, values: Float32Array): DecodedArrays {
  const header = { name: `frozen weights of ${name}`, count: 1, targets: [], classNames: [] }
  const inputs = [{ name: 'weights', type: 'float32', shape: [values.length] }] as const
  return {
    ...header,
    inputs,
    inputValues: [values],
    targetValues: [],
    sampleWeights: new Float32Array(0),
    labels: new Uint16Array(0),
  }
}

/**
 * The values of frozen weights, from the cache.
 * @returns undefined when there are none
 * @throws ConvoyError('data') when the cache lacks them
 */
export async function readFrozenWeights(frozen: FrozenWeights | undefined): Promise<Float32Array | undefined> {
  if (frozen === undefined) return undefined
  const stored = await loadPackedDataset(frozen.stored.fingerprint)
  if (stored === undefined || isImages(stored))
    throw new ConvoyError('data', `The ${frozen.stored.name} are not in the cache of this machine.`)
  return stored.inputValues[0] as Float32Array
}
