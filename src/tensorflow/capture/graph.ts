import type { NativeBinding, OpAttribute, TensorValues } from '../engine/native-backend.js'

/** TensorFlow's number of the type. */
export const INT32 = 3

/** An attribute: `tensorflow.AttrValue` of proto/tensorflow.proto. */
export type AttributeValue = Readonly<Record<string, unknown>>

export interface GraphNode {
  readonly op: string
  readonly inputs: readonly OutputReference[]
  readonly attributes: Readonly<Record<string, AttributeValue>>
  /** TensorFlow's number of each output's data type. */
  readonly outputTypes: readonly number[]
  readonly outputShapes: readonly (readonly number[])[]
}

/** One output of a node. */
export interface OutputReference {
  readonly node: GraphNode
  readonly index: number
}

/** The computation of a function: nodes in an order in which they can run. */
export interface Graph {
  /** Placeholders, in the order of the function's inputs. */
  readonly inputs: readonly GraphNode[]
  readonly nodes: readonly GraphNode[]
  readonly outputs: readonly OutputReference[]
}

export function placeholder(dtype: number, shape: readonly number[]): GraphNode {
  return {
    op: 'Placeholder',
    inputs: [],
    attributes: { dtype: { type: dtype }, shape: { shape: dimensions(shape) } },
    outputTypes: [dtype],
    outputShapes: [shape],
  }
}

export function constant(
  binding: NativeBinding,
  dtype: number,
  shape: readonly number[],
  values: TensorValues,
): GraphNode {
  return constantOf(dtype, shape, contentOf(binding, dtype, values))
}

/** @param content the values, little-endian */
export function constantOf(dtype: number, shape: readonly number[], content: Uint8Array): GraphNode {
  const tensor = { dtype, tensorShape: dimensions(shape), tensorContent: content }
  const attributes = { dtype: { type: dtype }, value: { tensor } }
  return { op: 'Const', inputs: [], attributes, outputTypes: [dtype], outputShapes: [shape] }
}

export function typeOf({ node, index }: OutputReference): number {
  return node.outputTypes[index]!
}

export function shapeOf({ node, index }: OutputReference): readonly number[] {
  return node.outputShapes[index]!
}

/** Numbers of an attribute that is a list of them, such as `strides`. */
export function listOf(attribute: AttributeValue | undefined): readonly number[] {
  return (attribute?.['list'] as { i: number[] } | undefined)?.i ?? []
}

/** @throws Error naming the attribute, for an unsupported kind */
export function attributesOf(
  binding: NativeBinding,
  attributes: readonly OpAttribute[],
): Record<string, AttributeValue> {
  const { TF_ATTR_TYPE, TF_ATTR_INT, TF_ATTR_FLOAT, TF_ATTR_BOOL, TF_ATTR_STRING } = binding
  const valueOf = ({ name, type, value }: OpAttribute): AttributeValue => {
    switch (type) {
      case TF_ATTR_TYPE:
        return { type: value }
      case TF_ATTR_INT:
        return Array.isArray(value) ? { list: { i: value as number[] } } : { i: value }
      case TF_ATTR_FLOAT:
        return { f: value }
      case TF_ATTR_BOOL:
        return { b: value }
      case TF_ATTR_STRING:
        return { s: Buffer.from(value as string) }
      default:
        throw new Error(`its attribute ${name} is of an unsupported kind (${type})`)
    }
  }
  return Object.fromEntries(attributes.map((attribute) => [attribute.name, valueOf(attribute)]))
}

function contentOf({ TF_FLOAT, TF_INT32 }: NativeBinding, dtype: number, values: TensorValues): Uint8Array {
  // A copy: the caller may overwrite the values that it uploaded.
  if (ArrayBuffer.isView(values))
    return Uint8Array.from(Buffer.from(values.buffer, values.byteOffset, values.byteLength))
  const numbers = values.map(Number)
  if (dtype === TF_FLOAT) return new Uint8Array(Float32Array.from(numbers).buffer)
  if (dtype === TF_INT32) return new Uint8Array(Int32Array.from(numbers).buffer)
  return Uint8Array.from(numbers)
}

function dimensions(shape: readonly number[]): object {
  return { dim: shape.map((size) => ({ size })) }
}
