import type { Graph, GraphNode, OutputReference } from './graph.js'
import { listOf, shapeOf, typeOf } from './graph.js'

/** TensorFlow's numbers of the two types. */
const FLOAT32 = 1
export const BFLOAT16 = 14

interface Rule {
  /** always: computes in bfloat16. follows: when one of its inputs is bfloat16 already. */
  readonly when: 'always' | 'follows'
  /** Which inputs are bfloat16 then. */
  readonly inputs: readonly number[] | 'all'
}

/**
 * Ops that may compute in bfloat16 (8 bits of precision, float32's range). In all of them the first output is bfloat16 then.
 * Every op that is not here computes in float32: sums over many values (means, the loss, the concatenated gradient, the
 * gradients of weights after their kernel), softmax and its logits, and the image transform, whose coordinates reach 32.
 */
const RULES: Readonly<Record<string, Rule>> = {
  // Nearly all of the arithmetic. The kernels accumulate in float32 and round once.
  Conv2D: { when: 'always', inputs: [0, 1] },
  Conv2DBackpropInput: { when: 'always', inputs: [1, 2] },
  Conv2DBackpropFilter: { when: 'always', inputs: [0, 2] },
  // Between convolutions; a cast there and back would cost more than the op. Scale, offset and statistics stay float32.
  FusedBatchNormV3: { when: 'follows', inputs: [0] },
  FusedBatchNormGradV3: { when: 'follows', inputs: [0, 1] },
  // One operation per value, rounded once, as often as the value is stored anyway.
  Relu: { when: 'follows', inputs: [0] },
  ReluGrad: { when: 'follows', inputs: [0, 1] },
  Add: { when: 'follows', inputs: [0, 1] },
  AddV2: { when: 'follows', inputs: [0, 1] },
  AddN: { when: 'follows', inputs: 'all' },
  // These move values and do not change them.
  Identity: { when: 'follows', inputs: [0] },
  Reshape: { when: 'follows', inputs: [0] },
  Transpose: { when: 'follows', inputs: [0] },
  PadV2: { when: 'follows', inputs: [0, 2] },
  Slice: { when: 'follows', inputs: [0] },
  // The kernels sum in float32 and round once; with windows of one pixel, as in the shortcuts, they only move values.
  AvgPool: { when: 'follows', inputs: [0] },
  AvgPoolGrad: { when: 'follows', inputs: [1] },
}

/**
 * Mixed precision: the same graph with convolutions and what lies between them in bfloat16 (Kalamkar et al. 2019, "A Study of
 * BFLOAT16 for Deep Learning Training"). Inputs and outputs keep their types. No value is cast there and back,
 * but in convolutions that oneDNN would compute wrongly.
 */
export function toBfloat16(graph: Graph): Graph {
  const nodes: GraphNode[] = []
  /** The output that stands for an output of the old graph. */
  const moved = new Map<GraphNode, GraphNode>()
  /** Casts that were made, by the output that they cast. */
  const casts = new Map<GraphNode, Map<number, OutputReference>>()

  const add = (node: GraphNode): GraphNode => {
    nodes.push(node)
    return node
  }
  const current = ({ node, index }: OutputReference): OutputReference => ({ node: moved.get(node)!, index })
  const cast = (reference: OutputReference, to: number): OutputReference => {
    const from = typeOf(reference)
    if (from === to || (from !== FLOAT32 && from !== BFLOAT16)) return reference
    const known = casts.get(reference.node)?.get(reference.index)
    if (known) return known
    const attributes = { SrcT: { type: from }, DstT: { type: to }, Truncate: { b: false } }
    const outputs = { outputTypes: [to], outputShapes: [shapeOf(reference)] }
    const result = { node: add({ op: 'Cast', inputs: [reference], attributes, ...outputs }), index: 0 }
    const ofNode = casts.get(reference.node) ?? new Map<number, OutputReference>()
    casts.set(reference.node, ofNode.set(reference.index, result))
    return result
  }

  for (const node of graph.nodes) {
    const inputs = node.inputs.map(current)
    const rule = RULES[node.op]
    const low = rule?.inputs === 'all' ? inputs.map((_, index) => index) : (rule?.inputs ?? [])
    const isFloat = low.length > 0 && low.every((index) => [FLOAT32, BFLOAT16].includes(typeOf(inputs[index]!)))
    const lowers = isFloat && (rule!.when === 'always' || low.some((index) => typeOf(inputs[index]!) === BFLOAT16))
    const rounded = lowers
      ? inputs.map((input, index) => cast(input, low.includes(index) ? BFLOAT16 : FLOAT32))
      : inputs
    if (!lowers || isMiscomputed(node)) {
      // The same values, added in float32 and rounded once, as in the bfloat16 kernel.
      const exact = add({ ...node, inputs: rounded.map((input) => cast(input, FLOAT32)) })
      moved.set(node, lowers ? cast({ node: exact, index: 0 }, BFLOAT16).node : exact)
    } else {
      const attributes = { ...node.attributes, T: { type: BFLOAT16 } }
      const outputTypes = [BFLOAT16, ...node.outputTypes.slice(1)]
      moved.set(node, add({ ...node, inputs: rounded, attributes, outputTypes }))
    }
  }
  const outputs = graph.outputs.map((output) => cast(current(output), FLOAT32))
  return { inputs: graph.inputs.map((node) => moved.get(node)!), nodes, outputs }
}

/**
 * Whether oneDNN's kernels for Intel's matrix instructions (AMX) read memory that nothing wrote. They do where a kernel that is wider than
 * one pixel moves in wider steps and has one place in a row (docs/experiments/engine.md, bfloat16 on narrow images).
 */
function isMiscomputed({ op, inputs, attributes, outputShapes }: GraphNode): boolean {
  if (!op.startsWith('Conv2D')) return false
  const kernel = op === 'Conv2DBackpropFilter' ? outputShapes[0]! : shapeOf(inputs[1]!)
  const output = op === 'Conv2D' ? outputShapes[0]! : shapeOf(inputs[2]!)
  return kernel[1]! > 1 && output[2] === 1 && listOf(attributes['strides'])[2]! > 1
}
