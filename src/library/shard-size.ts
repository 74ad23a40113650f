import type { layers, LayersModel, Shape } from '@tensorflow/tfjs'

/** At most so many shards of a batch: four processes can share it. */
const MAX_SHARDS = 4
/** Of a shard, fewer multiplications are not worth a message or a matrix product of their own: some milliseconds on one core. */
const MIN_MULTIPLICATIONS = 100e6

/**
 * How many samples' gradients are computed together: the largest divisor of the batch size up to a quarter of it, half of it, or all of it. A
 * batch that takes little has fewer shards. It decides bits, so it follows from model and batch size alone.
 */
export function shardSizeFor(model: LayersModel, batchSize: number): number {
  const shards = Math.min(MAX_SHARDS, Math.floor((multiplications(model) * batchSize) / MIN_MULTIPLICATIONS))
  const most = Math.max(1, Math.floor(batchSize / (shards === 3 ? 2 : Math.max(1, shards))))
  for (let size = most; size > 1; size--) if (batchSize % size === 0) return size
  return 1
}

/** Of one sample, forward, roughly: each weight of a layer is used at each place of its output, or in each time step. */
function multiplications(model: { readonly layers: readonly layers.Layer[] }): number {
  return model.layers.reduce(
    (sum, layer) =>
      sum + ('layers' in layer ? multiplications(layer as LayersModel) : layer.countParams() * places(layer)),
    0,
  )
}

function places(layer: layers.Layer): number {
  // A row of its weights is copied for each word.
  if (layer.getClassName() === 'Embedding') return 0
  const [input, output] = [shapeOf(layer, 'input'), shapeOf(layer, 'output')]
  // Time steps of which only the last one's output counts.
  if (input.length === 3 && output.length === 2) return input[1] ?? 1
  const [, ...sizes] = layer.getConfig()['dataFormat'] === 'channelsFirst' ? [null, ...output.slice(2), null] : output
  return sizes.slice(0, -1).reduce((product: number, size) => product * (size ?? 1), 1)
}

/** Of its first tensor, where it is used first. */
function shapeOf(layer: layers.Layer, side: 'input' | 'output'): Shape {
  const [node] = layer.inboundNodes as unknown as [{ inputShapes: Shape[]; outputShapes: Shape[] }]
  return node[`${side}Shapes`][0]!
}
