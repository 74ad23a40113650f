import path from 'node:path'
import protobuf from 'protobufjs'
import { packageRoot } from '../../shared/package-root.js'
import type { NativeBinding, OpAttribute, TensorValues } from '../native-backend.js'

/** The newest GraphDef version whose meaning this writer relies on; any TensorFlow since 2.15 reads it. */
const GRAPH_PRODUCER = 1645

type AttributeValue = Record<string, unknown>

interface Node {
  readonly name: string
  readonly op: string
  readonly input: readonly string[]
  readonly attr: Record<string, AttributeValue>
}

/** `node` is one output of a node, as GraphDef names it: `Conv2D_3` or `FusedBatchNormV3_4:1`. */
export type OutputReference = string

/** Collects the nodes of a graph in the order in which they compute, and writes them as a SavedModel. */
export class GraphWriter {
  readonly #binding: NativeBinding
  readonly #nodes: Node[] = []

  constructor(binding: NativeBinding) {
    this.#binding = binding
  }

  get size(): number {
    return this.#nodes.length
  }

  placeholder(dtype: number, shape: readonly number[]): OutputReference {
    return this.#add('Placeholder', [], { dtype: { type: dtype }, shape: { shape: shapeOf(shape) } })
  }

  constant(dtype: number, shape: readonly number[], values: TensorValues): OutputReference {
    const tensor = { dtype, tensorShape: shapeOf(shape), tensorContent: this.#contentOf(dtype, values) }
    return this.#add('Const', [], { dtype: { type: dtype }, value: { tensor } })
  }

  /** @throws Error for a kind of attribute that cannot be written */
  operation(op: string, attributes: readonly OpAttribute[], inputs: readonly OutputReference[]): string {
    const attr = Object.fromEntries(attributes.map((attribute) => [attribute.name, this.#valueOf(op, attribute)]))
    return this.#add(op, inputs, attr)
  }

  /** The graph as a binary `saved_model.pb`, tagged `serve`. */
  serialise(): Uint8Array {
    const savedModel = savedModelType()
    const graphDef = { node: this.#nodes, versions: { producer: GRAPH_PRODUCER } }
    const message = { savedModelSchemaVersion: 1, metaGraphs: [{ metaInfoDef: { tags: ['serve'] }, graphDef }] }
    return savedModel.encode(savedModel.fromObject(message)).finish()
  }

  #add(op: string, input: readonly string[], attr: Record<string, AttributeValue>): string {
    const name = `${op}_${this.#nodes.length}`
    this.#nodes.push({ name, op, input, attr })
    return name
  }

  #valueOf(op: string, { name, type, value }: OpAttribute): AttributeValue {
    const { TF_ATTR_TYPE, TF_ATTR_INT, TF_ATTR_FLOAT, TF_ATTR_BOOL, TF_ATTR_STRING } = this.#binding
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
        throw new Error(`${op}: attribute ${name} has a kind that cannot be captured (${type})`)
    }
  }

  #contentOf(dtype: number, values: TensorValues): Uint8Array {
    const { TF_FLOAT, TF_INT32 } = this.#binding
    if (ArrayBuffer.isView(values)) return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    const numbers = values.map(Number)
    if (dtype === TF_FLOAT) return new Uint8Array(Float32Array.from(numbers).buffer)
    if (dtype === TF_INT32) return new Uint8Array(Int32Array.from(numbers).buffer)
    return Uint8Array.from(numbers)
  }
}

function shapeOf(shape: readonly number[]): object {
  return { dim: shape.map((size) => ({ size })) }
}

let cachedType: protobuf.Type | undefined

function savedModelType(): protobuf.Type {
  cachedType ??= protobuf
    .loadSync(path.join(packageRoot, 'proto', 'tensorflow.proto'))
    .lookupType('tensorflow.SavedModel')
  return cachedType
}
