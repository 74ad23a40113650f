import type { AttributeValue, Graph, GraphNode, OutputReference } from './graph.js'
import { constantOf, INT32, listOf, shapeOf } from './graph.js'
import { BFLOAT16 } from './mixed-precision.js'

/** Where products win, measured with shards of 64 on AMD EPYC (docs/experiments/engine.md): many channels, */
const MIN_WEIGHTS = 256 * 256
/** and few pixels in each of them. */
const MAX_PIXELS = 8 * 8

/**
 * The same graph with the gradients of large kernels in bfloat16 as matrix products, one for each place of the kernel: of the
 * images shifted to that place, and the gradient of the output. oneDNN's own op computes in a blocked order and brings millions of
 * weights into TensorFlow's order afterwards, which costs as much as the arithmetic where images are small.
 */
export function withProducts(graph: Graph): Graph {
  const nodes: GraphNode[] = []
  const moved = new Map<GraphNode, GraphNode>()
  const add = (node: GraphNode): GraphNode => {
    nodes.push(node)
    return node
  }
  for (const node of graph.nodes) {
    const inputs = node.inputs.map(({ node, index }) => ({ node: moved.get(node)!, index }))
    const same = { ...node, inputs }
    moved.set(node, paysOff(same) ? asProducts(same, add) : add(same))
  }
  return {
    inputs: graph.inputs.map((node) => moved.get(node)!),
    nodes,
    outputs: graph.outputs.map(({ node, index }) => ({ node: moved.get(node)!, index })),
  }
}

function paysOff({ op, inputs, attributes, outputTypes, outputShapes }: GraphNode): boolean {
  if (op !== 'Conv2DBackpropFilter' || outputTypes[0] !== BFLOAT16) return false
  const [, , inputChannels, outputChannels] = outputShapes[0]!
  const [, height, width] = shapeOf(inputs[2]!)
  const plain =
    textOf(attributes['padding']) === 'SAME' &&
    (attributes['data_format'] === undefined || textOf(attributes['data_format']) === 'NHWC') &&
    listOf(attributes['dilations']).every((dilation) => dilation === 1)
  return plain && inputChannels! * outputChannels! >= MIN_WEIGHTS && height! * width! <= MAX_PIXELS
}

/** @param node Conv2DBackpropFilter: images `[n, height, width, c]`, sizes, gradient `[n, outHeight, outWidth, k]` */
function asProducts(node: GraphNode, add: (node: GraphNode) => GraphNode): GraphNode {
  const [images, , gradient] = node.inputs as [OutputReference, OutputReference, OutputReference]
  const [count, height, width, c] = shapeOf(images) as [number, number, number, number]
  const [, outHeight, outWidth, k] = shapeOf(gradient) as [number, number, number, number]
  const [kernelHeight, kernelWidth] = node.outputShapes[0] as [number, number]
  const [, strideY, strideX] = listOf(node.attributes['strides']) as [number, number, number]
  const places = count * outHeight * outWidth

  const make = (
    op: string,
    inputs: readonly OutputReference[],
    shape: readonly number[],
    attributes: Record<string, AttributeValue> = {},
  ): OutputReference => {
    const types = { T: { type: BFLOAT16 }, ...attributes }
    return {
      node: add({ op, inputs, attributes: types, outputTypes: [BFLOAT16], outputShapes: [shape] }),
      index: 0,
    }
  }
  const int32s = (values: readonly number[], shape: readonly number[] = [values.length]): OutputReference => ({
    node: add(constantOf(INT32, shape, new Uint8Array(Int32Array.from(values).buffer))),
    index: 0,
  })
  const reshape = (from: OutputReference, shape: readonly number[]): OutputReference =>
    make('Reshape', [from, int32s(shape)], shape, { Tshape: { type: INT32 } })

  const [top, bottom] = padding(height, outHeight, kernelHeight, strideY)
  const [left, right] = padding(width, outWidth, kernelWidth, strideX)
  const paddedShape = [count, height + top + bottom, width + left + right, c]
  const paddings = int32s([0, 0, top, bottom, left, right, 0, 0], [4, 2])
  const padded = make('Pad', [images, paddings], paddedShape, { Tpaddings: { type: INT32 } })
  const rows = reshape(gradient, [places, k])
  const products: OutputReference[] = []
  for (let y = 0; y < kernelHeight; y++) {
    for (let x = 0; x < kernelWidth; x++) {
      const shape = [count, outHeight, outWidth, c]
      const ends = [count, y + strideY * (outHeight - 1) + 1, x + strideX * (outWidth - 1) + 1, c]
      const shifted =
        strideY === 1 && strideX === 1
          ? make('Slice', [padded, int32s([0, y, x, 0]), int32s(shape)], shape, { Index: { type: INT32 } })
          : make(
              'StridedSlice',
              [padded, int32s([0, y, x, 0]), int32s(ends), int32s([1, strideY, strideX, 1])],
              shape,
              {
                ...{ Index: { type: INT32 }, begin_mask: { i: 0 }, end_mask: { i: 0 }, ellipsis_mask: { i: 0 } },
                ...{ new_axis_mask: { i: 0 }, shrink_axis_mask: { i: 0 } },
              },
            )
      const transposed = { transpose_a: { b: true }, transpose_b: { b: false } }
      products.push(make('MatMul', [reshape(shifted, [places, c]), rows], [c, k], transposed))
    }
  }
  const stacked = make('Pack', products, [products.length, c, k], { N: { i: products.length }, axis: { i: 0 } })
  return reshape(stacked, [kernelHeight, kernelWidth, c, k]).node
}

/** TensorFlow's SAME: before and after. */
function padding(size: number, outSize: number, kernel: number, stride: number): [number, number] {
  const total = Math.max(0, (outSize - 1) * stride + kernel - size)
  return [total >> 1, total - (total >> 1)]
}

function textOf(attribute: AttributeValue | undefined): string {
  return String(attribute?.['s'] as Buffer | undefined)
}
